"""Running a sweep: record it, plan what is missing, run that, and say what came of it."""

import errno
import math
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from orchestrator.address import require_answer
from orchestrator.attempt import RunOptions
from orchestrator.errors import StoreWriteError, UserError, reason
from orchestrator.installed import require
from orchestrator.load import LoadedSweep, load_sweep
from orchestrator.lock import DriverLock
from orchestrator.observer import Observer
from orchestrator.plan import Plan, available_cpus, make_plan
from orchestrator.provenance import collect
from orchestrator.reading import Damage
from orchestrator.resources import Resources
from orchestrator.revisions import newest_revision, record_sweep
from orchestrator.states import Status, count, is_finished, look_for_damage, trial_states
from orchestrator.store import Store, create_store, open_store
from trainables.spec import TrialSpec

_STORAGE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE, errno.EFBIG, errno.EACCES)
"""Errors of a disk or mount rather than of this code."""

ObserverOf = Callable[[Plan], AbstractContextManager[Observer]]
"""Makes the observer of a run from its plan: the estimates weigh the time left."""


@dataclass(frozen=True)
class Where:
    """Where and how trials run. local: in this process. workers: trials at once on this machine."""

    local: bool = False
    address: str | None = None
    workers: int | None = None
    checkpoint_every_s: float = 10.0

    def check(self) -> None:
        """Refuse what cannot be meant together."""
        if self.local and (self.address or self.workers):
            raise UserError("--local runs one trial at a time in this process; leave out --address and --workers.")
        if self.address and self.workers:
            raise UserError("--workers is for this machine; on a cluster, `resources` in the sweep decides.")
        require(*(("torch",) if self.local else ("torch", "ray")))


@dataclass(frozen=True)
class Summary:
    """What a run came to."""

    status: Status
    started: int
    interrupted: bool
    damaged: list[str]

    @property
    def exit_code(self) -> int:
        """0 all done; 1 something failed, is missing or is damaged; 130 interrupted."""
        if self.interrupted:
            return 130
        return 0 if self.status.finished == self.status.planned and not self.damaged else 1


def run_sweep(
    argument: str,
    store_path: Path,
    where: Where,
    observer_of: ObserverOf,
    say: Callable[[str], None],
    *,
    failed_only: bool = False,
) -> Summary:
    """Run what is missing of a sweep; with `failed_only` (retry) what failed last time.

    Everything that can be refused is refused before anything is written.
    """
    where.check()
    existing = open_store(store_path)
    loaded = load_sweep(argument, existing, stored_first=failed_only)
    if failed_only and newest_revision(existing, loaded.name)[0] is None:
        raise UserError(
            f"store {store_path} holds no sweep {loaded.name!r} to retry; `coherence run {argument}` first."
        )
    if where.address:
        require_answer(where.address)
    store = create_store(store_path)
    try:
        with DriverLock(store.root, say):
            return _run(loaded, store, where, observer_of, say, failed_only)
    except OSError as error:
        if error.errno not in _STORAGE:
            raise
        raise StoreWriteError(
            f"store {store_path} could not be written: {reason(error)}; what it holds is whole:"
            " make room or mend it, then run the same command again."
        ) from error


def _run(
    loaded: LoadedSweep,
    store: Store,
    where: Where,
    observer_of: ObserverOf,
    say: Callable[[str], None],
    failed_only: bool,
) -> Summary:
    revision = record_sweep(store, loaded.name, loaded.specs, loaded.definition)
    if revision.is_new:
        say(
            f"sweep {loaded.name}, revision {revision.number}:"
            f" {revision.added} trials added, {revision.kept} kept, {revision.dropped} dropped"
        )
    plan = make_plan(loaded, store, workers=1 if where.local else where.workers, failed_only=failed_only)
    store.clear_checkpoints(identity for identity, state in plan.states.items() if is_finished(state))
    interrupted = False
    if plan.to_run:
        say(f"{len(plan.to_run)} of {len(loaded.specs)} trials to run")
        with _stop_on_signals() as stop, observer_of(plan) as observer:
            interrupted = _launch(plan, loaded, store, where, observer, stop)
    return _summary(loaded, store, len(plan.to_run), interrupted)


def _launch(
    plan: Plan, loaded: LoadedSweep, store: Store, where: Where, observer: Observer, stop: threading.Event
) -> bool:
    """Run the plan; whether it was interrupted."""
    options = RunOptions(str(store.root.absolute()), where.checkpoint_every_s, collect(store.root))
    specs = list(plan.to_run.values())
    try:
        if where.local:
            from orchestrator.local import run_local

            run_local(specs, options, observer, stop.is_set)
        else:
            _on_ray(specs, options, _resources(loaded.sweep.resources, where.workers), where.address, observer, stop)
    except KeyboardInterrupt:
        return True
    return stop.is_set()


def _on_ray(
    specs: Sequence[TrialSpec],
    options: RunOptions,
    resources: Resources,
    address: str | None,
    observer: Observer,
    stop: threading.Event,
) -> None:
    from orchestrator.tune import run_on_ray

    run_on_ray(specs, options, resources, address, observer, stop.is_set)


def _resources(wanted: Resources, workers: int | None) -> Resources:
    """Each of N workers takes 1/N of the processors; Ray counts in ten-thousandths."""
    if workers is None:
        return wanted
    return wanted.model_copy(update={"cpu": math.floor(available_cpus() / workers * 1e4) / 1e4})


def _summary(loaded: LoadedSweep, store: Store, started: int, interrupted: bool) -> Summary:
    damage = Damage()
    states = trial_states(store, loaded.specs, damage)
    look_for_damage(store, [identity for identity, state in states.items() if is_finished(state)], damage)
    return Summary(count(loaded.name, states), started, interrupted, list(damage))


@contextmanager
def _stop_on_signals() -> Iterator[threading.Event]:
    """Set by the first Ctrl-C or SIGTERM; a second Ctrl-C interrupts at once. Off the main thread no signal comes."""
    stop = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        del number, frame
        stop.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
