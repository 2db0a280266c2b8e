"""The state of each trial of a sweep, from what the store holds."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from orchestrator.claims import held
from orchestrator.errors import one_line
from orchestrator.reading import Damage
from orchestrator.store import COMPACTED, Store
from trainables.location import each
from trainables.records import NUMERICS_VERSION, PARTED

STATES = {"completed": "done", "diverged": "diverged", "stopped": "stopped"}
"""Outcome of a `trials` row -> state."""

_FINISHED = ["outcome", "numerics_version"]


@dataclass(frozen=True)
class Status:
    """Counts by state: disjoint, and they add up to `planned`.

    done: completed. running: somebody who is alive claims it. failed: the last attempt raised.
    pending: all the rest, interrupted and lost attempts included. diverged and stopped are done as well.
    """

    sweep: str
    planned: int
    done: int = 0
    running: int = 0
    pending: int = 0
    failed: int = 0
    diverged: int = 0
    stopped: int = 0

    @property
    def finished(self) -> int:
        """Trials that no run would start again."""
        return self.done + self.diverged + self.stopped

    def as_json(self) -> dict[str, str | int]:
        """The form that `status --json` prints."""
        return asdict(self)


def count(sweep: str, states: dict[str, str]) -> Status:
    """Counts by state."""
    return Status(sweep, len(states), **Counter(states.values()))


def trial_states(store: Store, trial_ids: Iterable[str], damage: Damage) -> dict[str, str]:
    """State by trial id, in the order given. A `trials` row that cannot be read counts as not done."""
    return survey(store, trial_ids, damage)[0]


def survey(store: Store, trial_ids: Iterable[str], damage: Damage) -> tuple[dict[str, str], set[str]]:
    """State by trial id, and those of the finished whose numerics version is older than this one's."""
    wanted, stale = list(trial_ids), set[str]()
    if not store.exists:
        return dict.fromkeys(wanted, "pending"), stale
    compacted = _compacted(store, damage)

    def look(identity: str) -> tuple[str, bool]:
        rows = damage.rows(store.trial_file(identity), _FINISHED)
        row = rows[0] if rows else compacted.get(identity)
        return STATES[row["outcome"]] if row else _unfinished(store, identity, damage), bool(row and _is_older(row))

    states = {}
    for identity, (state, older) in zip(wanted, each(look, wanted, store.root), strict=True):
        states[identity] = state
        if older:
            stale.add(identity)
    return states, stale


def is_finished(state: str) -> bool:
    """Whether a trial in this state has its `trials` row."""
    return state in STATES.values()


def outcome_of(store: Store, trial_id: str) -> str | None:
    """Outcome of a trial that is done; None otherwise."""
    damage = Damage()
    rows = damage.rows(store.trial_file(trial_id), ["outcome"])
    return rows[0]["outcome"] if rows else _compacted(store, damage).get(trial_id, {}).get("outcome")


def is_stale(store: Store, trial_id: str) -> bool:
    """Whether a trial is done, in this store's own tables, with an older numerics version than this one's."""
    rows = Damage().rows(store.trial_file(trial_id), _FINISHED)
    return bool(rows) and _is_older(rows[0])


def _is_older(row: Mapping[str, Any]) -> bool:
    return (row["numerics_version"] or 0) < NUMERICS_VERSION


def look_for_damage(store: Store, trial_ids: Iterable[str], damage: Damage) -> None:
    """A cheap look at every part of these trials."""

    def look(identity: str) -> None:
        for table in PARTED:
            for path in store.parts(table, identity):
                damage.check_ends(path)

    for _ in each(look, trial_ids, store.root):
        pass


def last_attempt(store: Store, trial_id: str, columns: list[str], damage: Damage) -> dict[str, object]:
    """Columns of the newest attempt that can be read; empty without one."""
    for path in reversed(store.parts("attempts", trial_id)):
        if rows := damage.rows(path, columns):
            return rows[0]
    return {}


def failure_of(store: Store, trial_id: str, damage: Damage) -> str:
    """The class of the failure that a failed trial's newest attempt ended with."""
    return str(last_attempt(store, trial_id, ["failure"], damage).get("failure") or "bug")


def failure_line(store: Store, trial_id: str) -> str:
    """The last line of the traceback of a trial that failed."""
    message = last_attempt(store, trial_id, ["message"], Damage()).get("message")
    return one_line(str(message or "no traceback is recorded").strip().splitlines()[-1], 200)


def _compacted(store: Store, damage: Damage) -> dict[str, dict[str, Any]]:
    rows = damage.rows(store.trial_file(COMPACTED), ["trial_id", *_FINISHED])
    return {row["trial_id"]: row for row in rows}


def _unfinished(store: Store, trial_id: str, damage: Damage) -> str:
    if held(store, trial_id):
        return "running"
    failed = last_attempt(store, trial_id, ["outcome"], damage).get("outcome") == "failed"
    return "failed" if failed else "pending"
