"""Which failures are tried again within a run, how often, and the loop that does it.

| class          | tried again | why |
|----------------|-------------|-----|
| infrastructure | 3 times     | a mount, a network or a node comes back |
| host-memory    | once        | a neighbour may have ended since |
| device-memory  | once        | likewise, on a shared device |
| preempted      | 100 times   | another node goes on from the checkpoint |
| time-out       | no          | `coherence retry` resumes it from its checkpoint |
| bug            | no          | the same again would fail again |

Counted from the attempts that the store holds of this launch, so that a lost worker counts too.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from orchestrator.attempt import RunOptions, run_attempt
from orchestrator.history import failures_since
from orchestrator.observer import Observer
from orchestrator.store import Store
from trainables.location import locate
from trainables.spec import TrialSpec, trial_id

RETRIES: dict[str, int] = {
    "infrastructure": 3,
    "host-memory": 1,
    "device-memory": 1,
    "preempted": 100,
    "time-out": 0,
    "bug": 0,
}

PAUSES_S = (1.0, 5.0, 25.0)
"""Before the first, second and third time after a failure of the infrastructure."""

Attempt = Callable[[TrialSpec, RunOptions, Callable[[], bool]], str]


def may_retry(failures: list[str]) -> bool:
    """Whether a trial whose attempts of this launch failed in these ways, in order, is tried once more."""
    return not failures or all(failures.count(failure) <= RETRIES[failure] for failure in set(failures))


def run_with_retries(
    spec: TrialSpec,
    options: RunOptions,
    should_stop: Callable[[], bool],
    on_retry: Callable[[str], None],
    *,
    attempt: Attempt = run_attempt,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Attempts at one trial until one ends otherwise than by a failure that may be tried again; the last outcome.

    `options.first_attempt` is the number of the launch's first attempt at this trial. Where a launch has used its
    attempts up already (its workers were lost) nothing runs and the outcome is `failed`.
    """
    store, identity = Store(locate(options.store)), trial_id(spec)
    failures = failures_since(store, identity, options.first_attempt)
    if not may_retry(failures):
        return "failed"
    while (outcome := attempt(spec, options, should_stop)) == "failed":
        failures = failures_since(store, identity, options.first_attempt)
        if not failures or not may_retry(failures) or should_stop():
            return outcome
        on_retry(failures[-1])
        _pause(failures, should_stop, sleep)
    return outcome


def retry_note(observer: Observer, identity: str, failure: str) -> None:
    """Tell that a trial is tried again."""
    observer.note(f"{identity}: {failure}; it starts again from its last checkpoint")


def for_trial(options: RunOptions, store: Store, identity: str, estimates: Mapping[str, float]) -> RunOptions:
    """The options of a launch with what differs from trial to trial."""
    return replace(options, first_attempt=store.next_attempt(identity), estimated_s=estimates.get(identity))


def _pause(failures: list[str], should_stop: Callable[[], bool], sleep: Callable[[float], None]) -> None:
    if failures[-1] != "infrastructure":
        return
    left = PAUSES_S[min(failures.count("infrastructure"), len(PAUSES_S)) - 1]
    while left > 0 and not should_stop():
        sleep(min(left, 0.5))
        left -= 0.5
