"""A sweep against a store: what is done, what would run, what it would cost. Writes nothing."""

import os
from dataclasses import dataclass
from typing import Any

from orchestrator.cost import Estimator, estimator_from
from orchestrator.load import LoadedSweep
from orchestrator.reading import Damage
from orchestrator.resources import Resources
from orchestrator.states import Status, count, is_finished, trial_states
from orchestrator.store import Store
from trainables.spec import TrialSpec


@dataclass(frozen=True)
class Plan:
    """What a run would do. `to_run` is in the order of running: the longest first."""

    status: Status
    to_run: dict[str, TrialSpec]
    states: dict[str, str]
    estimates: dict[str, float]
    workers: int
    basis: str
    damage: Damage

    @property
    def cpu_seconds(self) -> float:
        """Work of the trials to run."""
        return sum(self.estimates.values())

    @property
    def wall_seconds(self) -> float:
        """Time they take with `workers` at once."""
        return max(self.cpu_seconds / self.workers, *self.estimates.values(), 0.0)

    def as_json(self) -> dict[str, Any]:
        """The form that `plan --json` prints."""
        return {
            **self.status.as_json(),
            "to_run": list(self.to_run),
            "cpu_seconds": round(self.cpu_seconds, 1),
            "wall_seconds": round(self.wall_seconds, 1),
            "workers": self.workers,
            "basis": self.basis,
        }


def make_plan(loaded: LoadedSweep, store: Store, *, workers: int | None = None, failed_only: bool = False) -> Plan:
    """What is missing and what it costs. `failed_only`: only trials whose last attempt failed would run."""
    damage = Damage()
    states = trial_states(store, loaded.specs, damage)
    estimator = estimator_from(store, (identity for identity, state in states.items() if state == "done"))
    wanted = [identity for identity, state in states.items() if _would_run(state, failed_only)]
    estimates = {identity: estimator.seconds(loaded.specs[identity]) for identity in wanted}
    order = sorted(wanted, key=lambda identity: -estimates[identity])
    return Plan(
        status=count(loaded.name, states),
        to_run={identity: loaded.specs[identity] for identity in order},
        states=states,
        estimates={identity: estimates[identity] for identity in order},
        workers=workers or default_workers(loaded.sweep.resources),
        basis=_basis(estimator, [loaded.specs[identity] for identity in wanted]),
        damage=damage,
    )


def default_workers(resources: Resources) -> int:
    """Trials at once on this machine."""
    return max(int(available_cpus() / resources.cpu + 1e-9), 1)


def available_cpus() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _would_run(state: str, failed_only: bool) -> bool:
    return state == "failed" if failed_only else not is_finished(state)


def _basis(estimator: Estimator, specs: list[TrialSpec]) -> str:
    known = sum(estimator.knows(spec) for spec in specs)
    if known == len(specs) and specs:
        return "measured on trials of this store"
    if estimator.measured:
        return f"measured on trials of this store for {known} of {len(specs)}, scaled from them for the rest"
    return "rough model, within a factor of about three"
