"""Runs trials one after another in this process, without Ray; the same attempts as on a cluster."""

from collections.abc import Callable, Sequence
from pathlib import Path

from orchestrator.attempt import RunOptions, run_attempt
from orchestrator.observer import Observer
from orchestrator.states import failure_line
from orchestrator.store import Store
from trainables.spec import TrialSpec, trial_id


def run_local(
    specs: Sequence[TrialSpec], options: RunOptions, observer: Observer, should_stop: Callable[[], bool]
) -> None:
    """Run one attempt of each spec in order, until a stop is asked for."""
    for spec in specs:
        if should_stop():
            return
        identity = trial_id(spec)
        observer.started(identity)
        outcome = run_attempt(spec, options, should_stop)
        if outcome == "failed":
            observer.failed(identity, failure_line(Store(Path(options.store)), identity))
        observer.finished(identity, outcome)
