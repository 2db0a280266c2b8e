"""Counts by state of the sweeps in a store."""

from orchestrator.errors import UserError
from orchestrator.load import load_sweep
from orchestrator.reading import Damage
from orchestrator.revisions import newest_revision, sweep_names
from orchestrator.states import Status, count, is_finished, look_for_damage, trial_states
from orchestrator.store import Store


def statuses_of(store: Store, sweep: str | None, damage: Damage) -> list[Status]:
    """Of one sweep, which need not have run, or of all that the store knows."""
    if sweep is None:
        if not store.exists:
            raise UserError(f"there is no store at {store.root}; name a sweep, or a store with --store.")
        return [_status(store, name, newest_revision(store, name)[2], damage) for name in sweep_names(store)]
    return [_status(store, *trials_of(store, sweep), damage)]


def trials_of(store: Store, sweep: str) -> tuple[str, list[str]]:
    """Name and trial ids of a sweep: as the store knows it, else as it would run."""
    _, _, stored = newest_revision(store, sweep) if not sweep.endswith((".yaml", ".yml")) else (None, None, [])
    if stored:
        return sweep, stored
    loaded = load_sweep(sweep, store)
    return loaded.name, list(loaded.specs)


def _status(store: Store, name: str, trial_ids: list[str], damage: Damage) -> Status:
    states = trial_states(store, trial_ids, damage)
    look_for_damage(store, [identity for identity, state in states.items() if is_finished(state)], damage)
    return count(name, states)
