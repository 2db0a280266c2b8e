"""Running a sweep: record it, plan what is missing, run that, and say what came of it."""

import math
import signal
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from types import FrameType

from orchestrator.address import require_answer
from orchestrator.attempt import RunOptions
from orchestrator.contests import contest_of, early_stopping_note
from orchestrator.data_here import data_of, missing_data
from orchestrator.errors import StoreWriteError, UserError, reason
from orchestrator.expectation import with_expectation
from orchestrator.failures import STORAGE
from orchestrator.installed import require
from orchestrator.load import LoadedSweep, load_sweep
from orchestrator.observer import Observer
from orchestrator.packing import short_of_memory
from orchestrator.plan import EVERYTHING, Plan, Wanted, available_cpus, make_plan
from orchestrator.preflight import judge_data
from orchestrator.provenance import collect
from orchestrator.reading import Damage
from orchestrator.resources import Resources
from orchestrator.revisions import newest_revision, record_sweep
from orchestrator.states import Status, count, is_finished, look_for_damage, trial_states
from orchestrator.store import COMPACTED, Store, create_store, open_store
from trainables.code import folder_allowed
from trainables.location import Location

ObserverOf = Callable[[Plan], AbstractContextManager[Observer]]
"""Makes the observer of a run from its plan: the estimates weigh the time left."""


@dataclass(frozen=True)
class Where:
    """Where and how trials run. local: in this process. workers: trials at once on this machine. timeout_s: wall
    seconds that an attempt may take. sinks: beside the store, as `orchestrator.sinks.parse_sinks` gives them."""

    local: bool = False
    address: str | None = None
    workers: int | None = None
    checkpoint_every_s: float = 10.0
    timeout_s: float | None = None
    sinks: tuple[str, ...] = ()

    def check(self) -> None:
        """Refuse what cannot be meant together."""
        if self.local and (self.address or self.workers):
            raise UserError("--local runs one trial at a time in this process; leave out --address and --workers.")
        if self.address and self.workers:
            raise UserError("--workers is for this machine; on a cluster, `resources` in the sweep decides.")
        if self.timeout_s is not None and self.timeout_s <= 0:
            raise UserError(f"--timeout: given {self.timeout_s:g}, expected more than 0 seconds.")
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
    store_path: Location,
    where: Where,
    observer_of: ObserverOf,
    say: Callable[[str], None],
    *,
    wanted: Wanted = EVERYTHING,
    scale: str | None = None,
) -> Summary:
    """Run what is missing of a sweep, at one of its scales, or what else is `wanted` of it.

    Everything that can be refused is refused before anything is written.
    """
    where.check()
    wanted.check()
    loaded = load_sweep(argument, open_store(store_path), scale=scale, stored_first=wanted.failed_only)
    return run_loaded(loaded, store_path, where, observer_of, say, wanted=wanted)


def run_loaded(
    loaded: LoadedSweep,
    store_path: Location,
    where: Where,
    observer_of: ObserverOf,
    say: Callable[[str], None],
    *,
    wanted: Wanted = EVERYTHING,
) -> Summary:
    """The same of a sweep that is loaded already."""
    where.check()
    wanted.check()
    existing = open_store(store_path)
    if (wanted.stale or wanted.stopped) and existing.trial_file(COMPACTED).exists():
        raise UserError(f"{store_path} is a compacted copy; replace trials in the store that it was made of.")
    if wanted.failed_only and newest_revision(existing, loaded.name)[0] is None:
        raise UserError(
            f"store {store_path} holds no sweep {loaded.name!r} to retry; `coherence run {loaded.name}` first."
        )
    if where.address:
        require_answer(where.address)
    store = create_store(store_path)
    try:
        return _run(loaded, store, where, observer_of, say, wanted)
    except OSError as error:
        if error.errno not in STORAGE:
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
    wanted: Wanted,
) -> Summary:
    for each in (*loaded.members, loaded):
        revision = record_sweep(store, each.name, each.specs, each.definition)
        if revision.is_new:
            say(
                f"sweep {each.name}, revision {revision.number}:"
                f" {revision.added} trials added, {revision.kept} kept, {revision.dropped} dropped"
            )
    plan = make_plan(loaded, store, workers=1 if where.local else where.workers, wanted=wanted)
    store.clear_checkpoints(identity for identity, state in plan.states.items() if is_finished(state))
    interrupted = False
    if plan.to_run:
        say(f"{len(plan.to_run)} of {len(loaded.specs)} trials to run")
        if contest_note := early_stopping_note(loaded, off=wanted.stopped):
            say(contest_note)
        with _stop_on_signals() as stop, observer_of(plan) as observer:
            interrupted = _launch(plan, loaded, store, where, observer, stop, wanted)
    return _summary(loaded, store, len(plan.to_run), interrupted)


def _launch(
    plan: Plan,
    loaded: LoadedSweep,
    store: Store,
    where: Where,
    observer: Observer,
    stop: threading.Event,
    wanted: Wanted,
) -> bool:
    """Run the plan; whether it was interrupted."""
    contest = contest_of(loaded) if not wanted.stopped else None
    options = RunOptions(
        str(store.root.absolute()),
        where.checkpoint_every_s,
        collect(store.root),
        timeout_s=where.timeout_s,
        rerun_stale=wanted.stale,
        driver=uuid.uuid4().hex,
        rerun_stopped=wanted.stopped,
        contest=contest,
        sinks=where.sinks,
        code=folder_allowed(),
    )
    try:
        if where.local:
            from orchestrator.local import run_local

            judge_data("this machine", missing_data(data_of(plan.to_run.values())))
            specs = list(plan.to_run.values())
            options = with_expectation(options, specs, plan.estimates)
            run_local(specs, options, observer, stop.is_set, plan.estimates)
        else:
            _on_ray(plan, loaded, store, options, where, observer, stop)
    except KeyboardInterrupt:
        return True
    return stop.is_set()


def _on_ray(
    plan: Plan,
    loaded: LoadedSweep,
    store: Store,
    options: RunOptions,
    where: Where,
    observer: Observer,
    stop: threading.Event,
) -> None:
    from orchestrator.tune import run_on_ray

    resources = _resources(loaded.resources.at_most, where.workers)
    short = short_of_memory(store, loaded.specs.values()) if loaded.resources.gpu == "auto" else None
    run_on_ray(
        list(plan.to_run.values()),
        options,
        resources,
        where.address,
        observer,
        stop.is_set,
        plan.estimates,
        short=short,
    )


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
