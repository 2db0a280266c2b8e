import json
import os
from dataclasses import replace
from typing import Any

import pyarrow.parquet as pq
import pytest

from orchestrator.attempt import RunOptions, fingerprint, run_attempt
from orchestrator.reading import Damage
from orchestrator.states import trial_states
from orchestrator.store import Store
from tests.files import files
from tests.orchestrator.fakes import PARTS, STEPS_A_PART, FakeTrial, Killed, nothing
from trainables.location import parquet_source, relative
from trainables.records import SCHEMAS
from trainables.spec import TrialSpec, parse_spec, trial_id


@pytest.fixture
def store(any_store: Store) -> Store:
    """In a folder, and in an object store."""
    return any_store


def go_on() -> bool:
    return False


def attempt(spec: TrialSpec, store: Store, should_stop: Any = go_on) -> str:
    return run_attempt(spec, RunOptions(str(store.root), provenance='{"host": "here"}'), should_stop)


def rows(store: Store, table: str) -> list[dict[str, Any]]:
    files = sorted((store.root / table).glob("*/*.parquet"), key=lambda path: int(path.stem.split("-")[1]))
    return [row for path in files for row in pq.read_table(parquet_source(path)).to_pylist()]


def steps(store: Store) -> list[int]:
    return [row["step"] for row in rows(store, "steps")]


EVERY_STEP = list(range(PARTS * STEPS_A_PART))


def test_a_trial_is_done_once(store: Store, fake_trial: FakeTrial, tiny_spec: TrialSpec) -> None:
    assert attempt(tiny_spec, store) == "completed"
    assert attempt(tiny_spec, store) == "completed"
    assert len(fake_trial.calls) == 1
    assert steps(store) == EVERY_STEP
    assert not store.checkpoints(trial_id(tiny_spec)).exists()
    [trial] = rows(store, "trials")
    assert parse_spec(trial["spec"]) == tiny_spec
    assert (trial["dataset"], trial["corruption_fraction"], trial["lr"]) == ("digits", 0.0, 0.1)
    assert (trial["outcome"], trial["steps"], trial["rows_steps"]) == ("completed", 40, 40)
    assert json.loads(trial["provenance"]) == {"host": "here"}


def test_what_an_attempt_says(store: Store, fake_trial: FakeTrial, tiny_spec: TrialSpec) -> None:
    attempt(tiny_spec, store)
    [row] = rows(store, "attempts")
    assert (row["attempt"], row["start_step"], row["end_step"], row["outcome"]) == (0, 0, 40, "completed")
    assert row["started_at"] <= row["ended_at"]
    assert row["pid"] == os.getpid()
    assert 10 < row["peak_memory_mib"] < 100_000
    assert row["cpu_s"] >= 0
    assert row["message"] is None


def test_an_exception_is_recorded_and_never_raised(store: Store, fake_trial: FakeTrial, tiny_spec: TrialSpec) -> None:
    def fail(part: int) -> None:
        if part == 2:
            raise ZeroDivisionError(f"part {part}")

    fake_trial.before = fail
    assert attempt(tiny_spec, store) == "failed"
    [row] = rows(store, "attempts")
    assert (row["outcome"], row["error_class"], row["end_step"]) == ("failed", "ZeroDivisionError", 20)
    assert "part 2" in row["message"]
    assert "fakes.py" in row["message"]
    assert rows(store, "trials") == []
    fake_trial.before = nothing
    assert attempt(tiny_spec, store) == "completed"
    assert fake_trial.starts == [0, 20]
    assert [row["outcome"] for row in rows(store, "attempts")] == ["failed", "completed"]
    assert steps(store) == EVERY_STEP


def test_one_bug_has_one_fingerprint(store: Store, fake_trial: FakeTrial, tiny_spec: TrialSpec) -> None:
    def fail(part: int) -> None:
        raise KeyError(os.urandom(4))

    fake_trial.before = fail
    for seed in range(2):
        attempt(tiny_spec.model_copy(update={"seed": seed}), store)
    first, second = (row["fingerprint"] for row in rows(store, "attempts"))
    assert first == second
    assert first != fingerprint(KeyError())


@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("part", range(PARTS))
def test_killed_anywhere_every_row_is_there_once(
    where: str, part: int, store: Store, fake_trial: FakeTrial, tiny_spec: TrialSpec
) -> None:
    def kill(at: int) -> None:
        if at == part:
            raise Killed

    setattr(fake_trial, where, kill)
    with pytest.raises(Killed):
        attempt(tiny_spec, store)
    identity = trial_id(tiny_spec)
    assert trial_states(store, [identity], Damage()) == {identity: "pending"}
    # What a killed writer leaves: a temporary file of the next part.
    (store.root / "steps" / identity).mkdir(parents=True, exist_ok=True)
    (store.root / "steps" / identity / "part-9.parquet.tmp-0").touch()
    setattr(fake_trial, where, nothing)
    assert attempt(tiny_spec, store) == "completed"
    assert steps(store) == EVERY_STEP
    assert fake_trial.starts == [0, part * STEPS_A_PART]
    assert not [name for name in files(store.root) if ".tmp-" in name]


def test_killed_before_the_last_row(
    store: Store, fake_trial: FakeTrial, tiny_spec: TrialSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All parts and the attempt are recorded; only the row that makes the trial done is missing."""
    with monkeypatch.context() as patch:
        patch.setattr("orchestrator.attempt.trial_row", _killed)
        with pytest.raises(Killed):
            attempt(tiny_spec, store)
    assert trial_states(store, [trial_id(tiny_spec)], Damage())[trial_id(tiny_spec)] == "pending"
    assert attempt(tiny_spec, store) == "completed"
    assert steps(store) == EVERY_STEP
    assert len(rows(store, "trials")) == 1


def test_killed_before_the_checkpoints_go(
    store: Store, fake_trial: FakeTrial, tiny_spec: TrialSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Store, "clear_checkpoints", _killed)
        with pytest.raises(Killed):
            attempt(tiny_spec, store)
    assert attempt(tiny_spec, store) == "completed"
    assert len(fake_trial.calls) == 1
    assert not store.checkpoints(trial_id(tiny_spec)).exists()


def test_interrupted_is_not_done(store: Store, fake_trial: FakeTrial, tiny_spec: TrialSpec) -> None:
    assert attempt(tiny_spec, store, lambda: True) == "interrupted"
    assert rows(store, "trials") == []
    assert attempt(tiny_spec, store) == "completed"
    assert fake_trial.starts == [0, 10]
    assert steps(store) == EVERY_STEP


def test_diverged_is_a_result(store: Store, fake_trial: FakeTrial, tiny_spec: TrialSpec) -> None:
    fake_trial.outcome = "diverged"
    assert attempt(tiny_spec, store) == "diverged"
    assert attempt(tiny_spec, store) == "diverged"
    assert len(fake_trial.calls) == 1


def test_an_unreadable_row_of_trials_runs_again(store: Store, fake_trial: FakeTrial, tiny_spec: TrialSpec) -> None:
    attempt(tiny_spec, store)
    store.trial_file(trial_id(tiny_spec)).write_bytes(b"PAR1 no more")
    assert attempt(tiny_spec, store) == "completed"
    assert len(rows(store, "trials")) == 1
    assert steps(store) == EVERY_STEP


def test_a_full_disk_is_the_callers(
    store: Store, fake_trial: FakeTrial, tiny_spec: TrialSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:

        def full(part: int) -> None:
            patch.setattr("orchestrator.attempt.write_part", _no_space)
            _no_space()

        fake_trial.before = full
        with pytest.raises(OSError, match="No space left"):
            attempt(tiny_spec, store)
    monkeypatch.setattr("trainables.trial.run_trial", replace(fake_trial, before=nothing))
    assert attempt(tiny_spec, store) == "completed"
    assert steps(store) == EVERY_STEP


def test_every_file_has_the_declared_schema(store: Store, fake_trial: FakeTrial, tiny_spec: TrialSpec) -> None:
    attempt(tiny_spec, store)
    for path in store.root.glob("*/*/*.parquet"):
        table = relative(path, store.root).split("/")[0]
        with path.open("rb") as file:
            assert pq.read_schema(file).remove_metadata().equals(SCHEMAS[table].remove_metadata())


def _killed(*arguments: object) -> None:
    raise Killed


def _no_space(*arguments: object, **options: object) -> None:
    raise OSError(28, "No space left on device")
