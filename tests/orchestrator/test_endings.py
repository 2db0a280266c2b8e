"""What the driver makes of workers that did not come back."""

import errno
import os

import pytest

from orchestrator.attempt import RunOptions, run_attempt
from orchestrator.endings import KILLS, Endings
from orchestrator.history import attempt_row, failures_since, is_open
from orchestrator.resources import ClusterError
from orchestrator.retries import RETRIES, may_retry
from orchestrator.store import Store
from tests.orchestrator.fakes import FakeTrial, Killed
from tests.orchestrator.ray_session import Recorder
from tests.orchestrator.test_failures import named
from trainables.spec import TrialSpec, trial_id


class Launched:
    """A launch of three trials, the first of which was killed in its second part."""

    def __init__(self, store: Store, fake: FakeTrial, spec: TrialSpec) -> None:
        self.store, self.observer, self.stops = store, Recorder(), list[str]()
        self.specs = [spec.model_copy(update={"seed": seed}) for seed in range(3)]
        self.ids = [trial_id(one) for one in self.specs]
        self.endings = Endings(
            self.observer,
            store,
            dict(zip(self.ids, self.specs, strict=True)),
            lambda _: self.stops.append("family"),
            lambda: self.stops.append("all"),
        )
        fake.before = _kill
        with pytest.raises(Killed):
            run_attempt(self.specs[0], RunOptions(str(store.root)), lambda: False)

    def row(self) -> tuple[str, str | None]:
        found = attempt_row(self.store, self.ids[0], 0)
        return found["outcome"], found["failure"]


def _kill(part: int) -> None:
    if part == 1:
        raise Killed


@pytest.fixture
def launched(store: Store, fake_trial: FakeTrial, tiny_spec: TrialSpec) -> Launched:
    return Launched(store, fake_trial, tiny_spec)


LOST = named("ActorDiedError", "ray.exceptions", text="SYSTEM_ERROR")


def test_a_lost_worker_is_recorded_and_comes_again(launched: Launched) -> None:
    launched.endings.recovers(launched.ids[0], LOST)
    assert launched.row() == ("failed", "infrastructure")
    assert len([note for note in launched.observer.notes if "its worker was lost" in note]) == 1
    assert launched.stops == []


def test_a_worker_that_was_lost_before_it_wrote_a_word_counts_too(launched: Launched) -> None:
    other = launched.ids[1]
    for number in range(5):
        launched.endings.recovers(other, LOST)
        assert attempt_row(launched.store, other, number)["failure"] == "infrastructure"
    assert len(launched.observer.notes) == RETRIES["infrastructure"]
    assert not may_retry(failures_since(launched.store, other, launched.endings.first_attempt(other)))


def test_an_attempt_that_told_its_end_is_not_told_twice(launched: Launched, fake_trial: FakeTrial) -> None:
    other, fake_trial.before = launched.specs[2], lambda _: None
    assert run_attempt(other, RunOptions(str(launched.store.root)), lambda: False) != "failed"
    launched.endings.recovers(trial_id(other), LOST)
    assert attempt_row(launched.store, trial_id(other), 0)["outcome"] == "completed"
    assert launched.store.next_attempt(trial_id(other)) == 1


def test_one_that_nobody_starts_again_is_told(launched: Launched) -> None:
    launched.endings.gave_up(launched.ids[0], None)
    assert launched.row() == ("failed", "infrastructure")
    assert launched.observer.failures == {launched.ids[0]: "its worker was lost"}
    assert launched.endings.left(launched.specs) == launched.specs[1:]


def test_a_full_store_stops_everything_and_promises_nothing(launched: Launched) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    launched.endings.recovers(launched.ids[0], full)
    assert launched.endings.fatal is full
    assert launched.stops == ["all"]
    assert launched.observer.notes == []


def test_a_worker_on_an_unfit_node_ends_the_launch_and_leaves_its_trial_pending(launched: Launched) -> None:
    unfit = ClusterError("a worker on gpu-7 does not see the store")
    launched.endings.recovers(launched.ids[1], unfit)
    launched.endings.gave_up(launched.ids[2], ClusterError("another one"))
    assert launched.endings.fatal is unfit
    assert set(launched.stops) == {"all"}
    assert (launched.observer.notes, launched.observer.failures) == ([], {})
    assert launched.row() == ("running", None)


@pytest.mark.parametrize(("pid", "expected"), [(None, ("failed", "host-memory")), (1, ("running", None))])
def test_only_the_row_of_the_killed_process_says_memory(
    pid: int | None, expected: tuple[str, str | None], launched: Launched
) -> None:
    pid = os.getpid() if pid is None else pid
    text = f"2 worker(s) were killed\nSelected to kill: (Actor(ab): task name=train, pid={pid}, actual memory used=3GB)"
    launched.endings.killed(launched.ids, named("OutOfMemoryError", "ray.exceptions", text=text))
    assert launched.row() == expected
    assert is_open(launched.store, launched.ids[0], 0) is (expected[0] == "running")
    assert launched.endings.left(launched.specs) == launched.specs


def test_killing_without_end_is_refused_and_progress_begins_the_count_anew(launched: Launched) -> None:
    error = named("OutOfMemoryError", "ray.exceptions", text="1 worker(s) were killed")
    for _ in range(KILLS):
        launched.endings.killed([], error)
    launched.endings.ended(launched.ids[1], "completed", "")
    assert launched.endings.left(launched.specs) == [launched.specs[0], launched.specs[2]]
    for _ in range(KILLS):
        launched.endings.killed([], error)
    with pytest.raises(ClusterError, match="run fewer at once"):
        launched.endings.killed([], error)


def test_what_was_tried_again_in_the_worker_is_told(launched: Launched) -> None:
    launched.endings.ended(launched.ids[1], "completed", "infrastructure device-memory")
    assert [note.split(": ")[1].split(";")[0] for note in launched.observer.notes] == [
        "infrastructure",
        "device-memory",
    ]
    assert launched.observer.outcomes[launched.ids[1]] == ["completed"]
