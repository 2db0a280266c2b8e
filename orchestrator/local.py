"""Runs trials one after another in this process, without Ray; the same attempts as on a cluster."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from orchestrator.attempt import RunOptions
from orchestrator.families import Families
from orchestrator.history import newest_attempt
from orchestrator.observer import Observer
from orchestrator.retries import for_trial, retry_note, run_with_retries
from orchestrator.states import failure_line
from orchestrator.store import Store
from trainables.spec import TrialSpec, trial_id


def run_local(
    specs: Sequence[TrialSpec],
    options: RunOptions,
    observer: Observer,
    should_stop: Callable[[], bool],
    estimates: Mapping[str, float],
) -> None:
    """Run each spec in order, until a stop is asked for; a family with one bug in many trials is left out."""
    store, families = Store(Path(options.store)), Families()
    for spec in specs:
        if should_stop():
            return
        if families.stopped(spec):
            continue
        identity = trial_id(spec)
        observer.started(identity)
        told = partial(retry_note, observer, identity)
        outcome = run_with_retries(spec, for_trial(options, store, identity, estimates), should_stop, told)
        if outcome == "failed":
            observer.failed(identity, failure_line(store, identity))
        observer.finished(identity, outcome)
        if outcome == "failed" and (line := families.add(spec, newest_attempt(store, identity))):
            observer.note(line)
