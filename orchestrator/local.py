"""Runs trials one after another in this process, without Ray; the same attempts as on a cluster."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from orchestrator.attempt import RunOptions
from orchestrator.families import Families
from orchestrator.history import newest_attempt
from orchestrator.observer import Observer
from orchestrator.others import Others
from orchestrator.retries import for_trial, retry_note, run_with_retries
from orchestrator.states import failure_line
from orchestrator.store import Store
from trainables.location import locate
from trainables.spec import TrialSpec, trial_id


def run_local(
    specs: Sequence[TrialSpec],
    options: RunOptions,
    observer: Observer,
    should_stop: Callable[[], bool],
    estimates: Mapping[str, float],
) -> None:
    """Run each spec in order, until a stop is asked for; a family with one bug in many trials is left out. Trials that
    somebody else has come last, when they are done or free."""
    store, families, left = Store(locate(options.store)), Families(), list(specs)
    others = Others(store, options.driver, observer, should_stop)
    while left:
        others.add(_run_each(left, options, observer, should_stop, estimates, store, families))
        left = others.next_ready()


def _run_each(
    specs: Sequence[TrialSpec],
    options: RunOptions,
    observer: Observer,
    should_stop: Callable[[], bool],
    estimates: Mapping[str, float],
    store: Store,
    families: Families,
) -> list[TrialSpec]:
    """Once through all; those that somebody else has."""
    held: list[TrialSpec] = []
    for spec in specs:
        if should_stop():
            return []
        if families.stopped(spec):
            continue
        identity = trial_id(spec)
        observer.started(identity)
        told = partial(retry_note, observer, identity)
        outcome = run_with_retries(spec, for_trial(options, store, identity, estimates), should_stop, told)
        if outcome == "held":
            held.append(spec)
        if outcome == "failed":
            observer.failed(identity, failure_line(store, identity))
        observer.finished(identity, outcome)
        if outcome == "failed" and (line := families.add(spec, newest_attempt(store, identity))):
            observer.note(line)
    return held
