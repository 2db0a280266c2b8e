"""A sweep against a store: what is done, what would run, what it would cost. Writes nothing."""

import os
from dataclasses import dataclass
from typing import Any

from orchestrator.early_stopping import was_stopped_early
from orchestrator.errors import UserError
from orchestrator.estimates import Amount, Estimator, estimator_from, total
from orchestrator.failures import FAILURES
from orchestrator.known_shares import known_shares
from orchestrator.load import LoadedSweep
from orchestrator.makespan import makespan
from orchestrator.nodes import Cluster
from orchestrator.packed_plan import Packing
from orchestrator.packing import enlarged, short_of_memory
from orchestrator.reading import Damage
from orchestrator.resources import Request, Resources, fit
from orchestrator.states import Status, count, failure_of, is_finished, survey
from orchestrator.store import Store
from trainables.registry import nearest
from trainables.spec import TrialSpec


@dataclass(frozen=True)
class Wanted:
    """Which unfinished trials would run. failed_only: those whose last attempt failed, in these ways if `only` names
    any. stale: finished ones of an older numerics version too. stopped: those too that were stopped early."""

    failed_only: bool = False
    only: frozenset[str] = frozenset()
    stale: bool = False
    stopped: bool = False

    def check(self) -> None:
        """Refuse a class of failure that is none."""
        for given in self.only:
            if given not in FAILURES:
                raise UserError(f"--only: unknown class {given!r}.{nearest(given, FAILURES)}")


EVERYTHING = Wanted()
MONEY = ("money", "money_low", "money_high")
TIMED = "timed on the first steps of a trial of each kind, within a factor of 1.5"


@dataclass(frozen=True)
class Plan:
    """What a run would do. `to_run` is in the order of running: the longest first.

    seconds, bytes: expected of each trial to run. resources: what the sweep asks for each. workers: trials at once, on
    the nodes of `cluster` where one is named. packing: what each takes of a GPU. notice: what these nodes lack. stale:
    finished trials of an older numerics version; they are among `to_run` when they are to be run again.
    """

    status: Status
    to_run: dict[str, TrialSpec]
    states: dict[str, str]
    seconds: dict[str, Amount]
    bytes: dict[str, Amount]
    resources: Request
    workers: int
    packing: Packing
    cluster: Cluster | None
    notice: str | None
    basis: str
    stale: list[str]
    damage: Damage

    @property
    def estimates(self) -> dict[str, float]:
        """Expected CPU seconds by trial id."""
        return {identity: amount.middle for identity, amount in self.seconds.items()}

    @property
    def cpu(self) -> Amount:
        """CPU seconds of the trials to run."""
        return total(self.seconds.values())

    @property
    def wall(self) -> Amount:
        """Seconds until the last one ends, with `workers` at once and the longest started first."""
        return self.packing.wall(self._timed()) if self.packing.nodes else makespan(self.seconds.values(), self.workers)

    @property
    def money(self) -> Amount | None:
        """What the cluster costs until then; None without a price."""
        return self.cluster.money(self.wall) if self.cluster else None

    @property
    def gpu(self) -> Amount:
        """Shares of a GPU times seconds, summed over the trials to run."""
        return self.packing.gpu_seconds(self._timed())

    @property
    def disk(self) -> Amount:
        """Bytes that they will leave in the store."""
        return total(self.bytes.values())

    def as_json(self) -> dict[str, Any]:
        """The form that `plan --json` prints."""
        cpu, wall, disk = self.cpu, self.wall, self.disk
        return {
            **self.status.as_json(),
            "stale": len(self.stale),
            "to_run": list(self.to_run),
            **_rounded("cpu_seconds", cpu, 1),
            **_rounded("gpu_seconds", self.gpu, 1),
            **_rounded("wall_seconds", wall, 1),
            **_rounded("disk_bytes", disk, None),
            "workers": self.workers,
            "nodes": len(self.cluster.nodes) if self.cluster else None,
            "price": self.cluster.price if self.cluster else None,
            **(_rounded("money", self.money, 2) if self.money else dict.fromkeys(MONEY)),
            "basis": self.basis,
        }

    def _timed(self) -> list[tuple[TrialSpec, Amount]]:
        return [(spec, self.seconds[identity]) for identity, spec in self.to_run.items()]


def make_plan(
    loaded: LoadedSweep,
    store: Store,
    *,
    workers: int | None = None,
    wanted: Wanted = EVERYTHING,
    calibrated: bool = False,
    cluster: Cluster | None = None,
) -> Plan:
    """What is missing and what it costs. calibrated: time a few steps of each kind first, in this process.

    cluster: the nodes to plan for, in place of `workers`; refused where no trial fits on any.
    """
    packing, notice = _packing(loaded, store, cluster)
    damage = Damage()
    states, old = survey(store, loaded.specs, damage)
    chosen = _chosen(states, old, store, wanted, damage)
    specs = {identity: loaded.specs[identity] for identity in chosen}
    estimator = estimator_from(store, (identity for identity, state in states.items() if state == "done"))
    if calibrated:
        from orchestrator import calibrate

        estimator = estimator.timed(calibrate.calibrate(specs.values(), calibrate.SECONDS), calibrate.SPREAD)
    seconds = {identity: estimator.seconds(spec) for identity, spec in specs.items()}
    order = sorted(specs, key=lambda identity: -seconds[identity].middle)
    return Plan(
        status=count(loaded.name, states),
        to_run={identity: specs[identity] for identity in order},
        states=states,
        seconds={identity: seconds[identity] for identity in order},
        bytes={identity: estimator.bytes(specs[identity]) for identity in order},
        resources=loaded.resources,
        workers=packing.at_once(specs.values()) or workers or default_workers(loaded.resources.at_most),
        packing=packing,
        cluster=cluster,
        notice=notice,
        basis=TIMED if calibrated else _basis(estimator, list(specs.values())),
        stale=[identity for identity in loaded.specs if identity in old],
        damage=damage,
    )


def _packing(loaded: LoadedSweep, store: Store, cluster: Cluster | None) -> tuple[Packing, str | None]:
    """What trials take, and what the nodes lack. Shares that launches measured are enlarged as a launch would."""
    everyone, notice, auto = loaded.resources.at_most, None, loaded.resources.gpu == "auto"
    if cluster is not None:
        everyone, notice = fit(everyone, cluster.nodes, auto=auto)
    if not auto or not everyone.gpu:
        return Packing(everyone, {}, cluster.nodes if cluster else (), auto=False), notice
    shares = enlarged(known_shares(store), short_of_memory(store, loaded.specs.values()))
    return Packing(everyone, shares, cluster.nodes if cluster else (), auto=True), notice


def default_workers(resources: Resources) -> int:
    """Trials at once on this machine."""
    return max(int(available_cpus() / resources.cpu + 1e-9), 1)


def available_cpus() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _chosen(states: dict[str, str], old: set[str], store: Store, wanted: Wanted, damage: Damage) -> list[str]:
    if not wanted.failed_only:
        again = old if wanted.stale else set[str]()
        if wanted.stopped:
            again = again | {name for name in states if states[name] == "stopped" and was_stopped_early(store, name)}
        return [name for name, state in states.items() if not is_finished(state) or name in again]
    failed = [identity for identity, state in states.items() if state == "failed"]
    return [name for name in failed if not wanted.only or failure_of(store, name, damage) in wanted.only]


def _rounded(name: str, amount: Amount, digits: int | None) -> dict[str, float]:
    return {
        name: round(amount.middle, digits),
        f"{name}_low": round(amount.low, digits),
        f"{name}_high": round(amount.high, digits),
    }


def _basis(estimator: Estimator, specs: list[TrialSpec]) -> str:
    known = sum(estimator.knows(spec) for spec in specs)
    if known == len(specs) and specs:
        return "measured on trials of this store"
    if estimator.measured:
        return f"measured on trials of this store for {known} of {len(specs)}, scaled from them for the rest"
    return "rough model, within a factor of about three"
