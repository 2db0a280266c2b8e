"""One attempt at one trial, in this process: claim, resume, run, record; what every runner calls.

Order: the claim, the `attempts` row (running), the trial's parts and checkpoints, the `attempts` row (how it ended),
the `trials` row, which makes the trial done, then the checkpoints go and last the claim. A kill between any two of
these leaves a store that a re-run completes.
"""

import hashlib
import os
import resource
import socket
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator import preempt
from orchestrator.claims import Claim, claimed
from orchestrator.deadline import Deadline
from orchestrator.early_stopping import Contest, Judge, was_stopped_early
from orchestrator.failures import STORE_IS_FULL, OutOfTimeError, failure_class
from orchestrator.fresh import reset_process
from orchestrator.history import close_lost, is_open
from orchestrator.resume import go_back, settle
from orchestrator.states import is_stale, outcome_of
from orchestrator.store import Store
from orchestrator.trial_row import trial_row
from trainables.location import locate
from trainables.records import write_part
from trainables.result import TrialResult
from trainables.spec import TrialSpec, trial_id
from trainables.storage import SupersededError

if TYPE_CHECKING:
    from trainables.checkpoint import CheckpointFolder
    from trainables.sink import ParquetSink


@dataclass(frozen=True)
class RunOptions:
    """What an attempt is told beside the spec; nothing here changes a number.

    store: the store's place. checkpoint_every_s: seconds between checkpoints. provenance: JSON text for
    the `trials` row. device: torch device, None chooses. timeout_s: wall seconds an attempt may take.
    rerun_stale: replace a finished trial of an older numerics version. rerun_stopped: replace one that was stopped
    early. contest: the rule by which trials are stopped early; None for none. sinks: beside the store, each as JSON of
    its choice. code: the folder of the code that specs name; None where they may name none. driver: the launch; its
    workers take a trial over from one another at once, from others only when they are gone. Of one trial:
    first_attempt, the number of the launch's first attempt at it; estimated_s, CPU seconds that the plan expects of it.
    """

    store: str
    checkpoint_every_s: float = 10.0
    provenance: str = "{}"
    device: str | None = None
    timeout_s: float | None = None
    rerun_stale: bool = False
    driver: str = ""
    rerun_stopped: bool = False
    contest: Contest | None = None
    first_attempt: int = 0
    estimated_s: float | None = None
    sinks: tuple[str, ...] = ()
    code: str | None = None


@dataclass
class _Meter:
    """Where the attempt stands and what it has used."""

    cpu_began: float = field(default_factory=time.process_time)
    step: int | None = None

    def on_step(self, step: int, total: int) -> None:
        """Called by the trial after each update."""
        del total
        self.step = step

    def used(self) -> dict[str, Any]:
        """The columns that say what an attempt cost."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        per_mib = 2**20 if sys.platform == "darwin" else 2**10  # bytes there, KiB elsewhere
        return {
            "ended_at": time.time(),
            "cpu_s": time.process_time() - self.cpu_began,
            "peak_memory_mib": peak / per_mib,
        }


def run_attempt(spec: TrialSpec, options: RunOptions, should_stop: Callable[[], bool]) -> str:
    """Bring the trial as far as it goes and say how the attempt ended: completed, diverged, stopped, interrupted or
    failed; or `held` where somebody else has the trial, or has got it meanwhile. A trial that is done already is left
    alone, unless it is to be replaced. An exception of the trial is recorded and becomes `failed`. Raised are one
    while recording, and that of a store without room or right to write, which every other trial would meet."""
    store, identity = Store(locate(options.store)), trial_id(spec)
    if done := _done(store, identity, options):
        return done
    with claimed(store, identity, options.driver) as claim:
        if claim is None:
            return "held"
        if done := _done(store, identity, options):  # by the one who had it before
            return done
        if _is_to_be_replaced(store, identity, options):
            store.forget(identity)
        return _attempt(spec, store, identity, options, should_stop, claim)


def _done(store: Store, identity: str, options: RunOptions) -> str | None:
    """The outcome of a trial that is done and to be left alone."""
    done = outcome_of(store, identity)
    if not done or _is_to_be_replaced(store, identity, options):
        return None
    store.clear_checkpoints([identity])
    return done


def _attempt(
    spec: TrialSpec, store: Store, identity: str, options: RunOptions, should_stop: Callable[[], bool], claim: Claim
) -> str:
    meter, deadline = _Meter(), Deadline(options.timeout_s, should_stop)
    row = _begin(store, identity, options, claim)
    try:
        sink, checkpoints = _places(store, identity, claim)
        row["start_step"] = checkpoints.newest_step()
        _record(store, row)
        result = _train(spec, sink, checkpoints, options, deadline, meter, claim.generation)
        if result.outcome == "interrupted" and deadline.passed:
            raise OutOfTimeError(f"more than the {deadline.seconds:g} s of --timeout, at step {result.end_step}")
        if result.outcome != "interrupted":
            settle(store, identity, sink.written, claim.check)
    except Exception as error:  # the one boundary: a failing trial is a result and never stops a sweep
        if isinstance(error, SupersededError) or not claim.is_newest():
            if is_open(store, identity, claim.generation):
                _record(store, {**row, "outcome": "interrupted", "end_step": meter.step, **meter.used()})
            return "held"  # the new owner may have deleted what we were writing: no failure of the trial
        _record(store, {**row, "outcome": "failed", "end_step": meter.step, **_failure(error), **meter.used()})
        if isinstance(error, OSError) and error.errno in STORE_IS_FULL:
            raise
        return "failed"
    _record(store, {**row, **_ended(result), **meter.used()})
    if result.outcome != "interrupted":
        final = trial_row(spec, identity, result, options.provenance)
        try:
            _finish(store, identity, final, claim)
        except SupersededError:
            return "held"
        store.clear_checkpoints([identity])
    return result.outcome


def _is_to_be_replaced(store: Store, identity: str, options: RunOptions) -> bool:
    stale = options.rerun_stale and is_stale(store, identity)
    return stale or (options.rerun_stopped and was_stopped_early(store, identity))


def _begin(store: Store, identity: str, options: RunOptions, claim: Claim) -> dict[str, Any]:
    """The row of this attempt, after those of older ones, whose process ended without a word, are closed."""
    row: dict[str, Any] = {
        "trial_id": identity,
        "attempt": claim.generation,
        "start_step": 0,
        "outcome": "running",
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "started_at": time.time(),
        "estimated_s": options.estimated_s,
    }
    before = store.next_attempt(identity) - 1
    if before >= 0:
        close_lost(store, identity, before, "infrastructure", "its process ended without a word")
    return row


def _places(store: Store, identity: str, claim: Claim) -> "tuple[ParquetSink, CheckpointFolder]":
    """Where the trial's rows and checkpoints go, with all that cannot be gone on from removed."""
    from trainables.checkpoint import CheckpointFolder
    from trainables.sink import ParquetSink

    claim.check()
    written = go_back(store, identity, CheckpointFolder(store.checkpoints(identity)), claim.check)
    sink = ParquetSink(store.root, identity, claim.generation, claim.check, written)
    return sink, CheckpointFolder(store.checkpoints(identity), sink.written, claim.check, str(claim.generation))


def _train(
    spec: TrialSpec,
    sink: "ParquetSink",
    checkpoints: "CheckpointFolder",
    options: RunOptions,
    should_stop: Callable[[], bool],
    meter: _Meter,
    attempt: int,
) -> TrialResult:
    from orchestrator.sinks import beside
    from trainables.outcomes import no_reason
    from trainables.trial import run_trial

    reset_process()
    return run_trial(
        spec,
        beside(sink, options.sinks, spec, attempt),
        checkpoints=checkpoints,
        checkpoint_every_s=options.checkpoint_every_s,
        should_stop=should_stop,
        device=options.device,
        on_step=meter.on_step,
        judge=Judge(options.contest, locate(options.store), trial_id(spec)) if options.contest else no_reason,
    )


def _record(store: Store, row: dict[str, Any]) -> None:
    write_part(store.attempt_file(row["trial_id"], row["attempt"]), "attempts", [row], tag=str(row["attempt"]))


def _finish(store: Store, identity: str, final: dict[str, Any], claim: Claim) -> None:
    """Write the `trials` row. The file names its attempt: two attempts' rows may be equal, and a late writer, who takes
    away again what he wrote, must know his own."""
    number = str(claim.generation)
    write_part(store.trial_file(identity), "trials", [final], {"attempt": number}, tag=number, fence=claim.check)


def _ended(result: TrialResult) -> dict[str, Any]:
    return {
        "outcome": result.outcome,
        "end_step": result.end_step,
        "failure": "preempted" if result.outcome == "interrupted" and preempt.told() else None,
        "device": result.device,
        "measure_s": result.measure_s,
    }


def _failure(error: Exception) -> dict[str, str]:
    return {
        "failure": failure_class(error),
        "error_class": type(error).__name__,
        "fingerprint": fingerprint(error),
        "message": "".join(traceback.format_exception(error)),
    }


def fingerprint(error: BaseException) -> str:
    """Digest of where and as what an error was raised; the same for two trials that meet the same bug."""
    frames = [f"{Path(frame.filename).name}:{frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    return hashlib.sha256("\n".join([*frames, type(error).__qualname__]).encode()).hexdigest()[:12]
