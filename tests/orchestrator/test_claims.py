"""Who may write a trial: exclusively taken, given back, taken over from the dead, and refused to the late."""

import json
import os
import socket
import subprocess
import sys
import threading
import time

import pyarrow.parquet as pq
import pytest

from orchestrator import claims
from orchestrator.attempt import RunOptions, run_attempt
from orchestrator.claims import Claim, claimed, free_for, held, newest, owner_of, take
from orchestrator.local import run_local
from orchestrator.observer import Quiet
from orchestrator.reading import Damage
from orchestrator.resume import OverwrittenError, go_back, settle
from orchestrator.states import trial_states
from orchestrator.store import Store
from tests.files import files
from tests.orchestrator.fakes import PARTS, STEPS_A_PART, FakeTrial
from trainables.checkpoint import CheckpointFolder
from trainables.location import parquet_source
from trainables.records import write_part
from trainables.sink import ParquetSink
from trainables.spec import TrialSpec, trial_id
from trainables.storage import SupersededError


@pytest.fixture
def store(any_store: Store) -> Store:
    """In a folder, and in an object store."""
    return any_store


def taken(store: Store, identity: str = "a", driver: str = "one") -> Claim:
    claim = take(store, identity, driver)
    assert claim is not None
    return claim


def write_claim(store: Store, generation: int = 0, **changes: object) -> None:
    """A claim of another driver."""
    owner = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "born": claims.birth(os.getpid()),
        "driver": "other",
        "since": time.time(),
        "expires": time.time() + 100,
    }
    path = store.root / "claims" / "a" / str(generation)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(owner | changes))


def go_on() -> bool:
    return False


def test_taken_and_given_back(store: Store) -> None:
    with claimed(store, "a", "one") as claim:
        assert claim is not None
        assert held(store, "a")
        owner = owner_of(store, "a")
        assert owner is not None
        assert (owner.pid, owner.host, owner.driver) == (os.getpid(), socket.gethostname(), "one")
        claim.check()
    assert not held(store, "a")
    assert not (store.root / "claims" / "a").exists()
    with pytest.raises(SupersededError):
        claim.check()


def test_another_driver_is_kept_out_and_the_same_one_is_not(store: Store) -> None:
    first = taken(store)
    assert not free_for(store, "a", "two")
    assert take(store, "a", "two") is None
    second = taken(store, driver="one")
    assert second.generation > first.generation
    second.check()
    with pytest.raises(SupersededError):
        first.check()


def test_a_generation_is_above_all_attempts_and_claims(store: Store) -> None:
    row = {"trial_id": "a", "attempt": 4, "outcome": "failed"}
    write_part(store.attempt_file("a", 4), "attempts", [row], tag="4")
    assert taken(store).generation == 5
    assert taken(store).generation == 6


def test_the_dead_are_taken_over(store: Store) -> None:
    done = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    for changes in [
        {"pid": int(done.stdout)},
        {"born": "1"},
        {"host": "elsewhere", "pid": 1, "expires": time.time() - 1},
    ]:
        write_claim(store, **changes)
        assert not held(store, "a")
        taken(store).start()
        assert newest(store, "a") == 1
        (store.root / "claims" / "a" / "1").unlink()
    write_claim(store, host="elsewhere", pid=1)
    assert take(store, "a", "one") is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"host": 1}'])
def test_an_unreadable_claim_expires_too(store: Store, content: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write_claim(store)
    path = store.root / "claims" / "a" / "0"
    path.write_text(content)
    assert take(store, "a", "one") is None
    monkeypatch.setattr(claims, "EXPIRES_S", -1.0)  # as if it had been written long ago
    assert taken(store).generation == 1


def test_one_of_many_wins(store: Store) -> None:
    start, won = threading.Barrier(8), list[Claim]()

    def race(driver: int) -> None:
        start.wait()
        if (claim := take(store, "a", str(driver))) is not None:
            won.append(claim)

    threads = [threading.Thread(target=race, args=(driver,)) for driver in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1


def test_it_is_renewed_and_a_failing_renewal_costs_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "RENEW_S", 0.02)
    with claimed(store, "a", "one") as claim:
        assert claim is not None
        first = owner_of(store, "a")
        assert first is not None
        wait_for(lambda: (owner_of(store, "a") or first).expires > first.expires)
        tries = list[int]()

        def no_space(owner: object) -> bytes:
            tries.append(1)
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(claims, "_content", no_space)
            wait_for(lambda: len(tries) > 1)
            claim.check()


def test_a_late_renewal_brings_no_claim_back(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "RENEW_S", 0.01)
    late = taken(store)
    late.start()
    with claimed(store, "a", "one"):
        pass
    late._thread.join(5)
    assert not late._thread.is_alive()
    assert newest(store, "a") is None


def test_a_late_writer_leaves_no_rows(store: Store) -> None:
    """It wakes up at each of its writes, after the trial went to another."""
    late = taken(store)
    sink = ParquetSink(store.root, "a", late.generation, late.check)
    checkpoints = CheckpointFolder(store.checkpoints("a"), sink.written, late.check)
    sink.write("steps", [{"step": 0, "epoch": 0}])
    taken(store)
    for write in (lambda: sink.flush(0, {}), lambda: checkpoints.save(0, {"step": 1})):
        with pytest.raises(SupersededError):
            write()
    assert [name for name in files(store.root) if not name.startswith("claims/")] == ["_store.json"]


def test_a_writer_that_loses_the_trial_in_the_very_moment_takes_its_file_away(store: Store) -> None:
    late, asked = taken(store), list[int]()

    def fence() -> None:
        late.check()
        if not asked:
            asked.append(1)
            taken(store)  # right after it was asked, before the file has its name

    sink = ParquetSink(store.root, "a", 0, fence)
    sink.write("steps", [{"step": 0, "epoch": 0}])
    with pytest.raises(SupersededError):
        sink.flush(0, {})
    assert store.parts("steps", "a") == []


def test_a_file_that_a_late_writer_left_gives_way(store: Store) -> None:
    late = ParquetSink(store.root, "a", 0)
    late.write("steps", [{"step": 9, "epoch": 0}])
    late.flush(0, {})
    owner = taken(store)
    sink = ParquetSink(store.root, "a", owner.generation, owner.check)
    sink.write("steps", [{"step": 0, "epoch": 0}])
    sink.flush(0, {})
    [path] = store.parts("steps", "a")
    assert pq.read_table(parquet_source(path))["step"].to_pylist() == [0]


def two_parts(store: Store) -> tuple[ParquetSink, CheckpointFolder]:
    sink = ParquetSink(store.root, "a", 0)
    checkpoints = CheckpointFolder(store.checkpoints("a"), sink.written)
    for k in range(2):
        sink.write("steps", [{"step": k, "epoch": 0}])
        sink.flush(k, {})
        checkpoints.save(k, {"step": k + 1})
    return sink, checkpoints


def damage_nothing(store: Store) -> None:
    """All is as it was written."""


def overwrite(store: Store) -> None:
    other = ParquetSink(store.root, "a", 7)
    other.write("steps", [{"step": 1, "epoch": 0}])
    other.flush(1, {})


def cut(store: Store) -> None:
    path = store.parts("steps", "a")[1]
    path.write_bytes(path.read_bytes()[:-9])


def remove(store: Store) -> None:
    store.parts("steps", "a")[1].unlink()


@pytest.mark.parametrize(("change", "resumed_at"), [(damage_nothing, 2), (overwrite, 1), (cut, 1), (remove, 1)])
def test_a_trial_goes_back_to_where_its_parts_are_right(store: Store, change, resumed_at: int) -> None:
    _, checkpoints = two_parts(store)
    change(store)
    written = go_back(store, "a", checkpoints)
    assert checkpoints.newest_step() == resumed_at
    assert list(written) == [f"steps/part-{k}.parquet" for k in range(resumed_at)]
    assert [path.name for path in store.parts("steps", "a")] == [f"part-{k}.parquet" for k in range(resumed_at)]


def test_a_checkpoint_without_parts_is_gone_on_from(store: Store) -> None:
    """As stores of before have them."""
    two_parts(store)
    old = CheckpointFolder(store.checkpoints("a"))
    old.save(1, {"step": 2})
    assert list(go_back(store, "a", old)) == ["steps/part-0.parquet", "steps/part-1.parquet"]
    assert old.newest_step() == 2


def test_before_a_trial_is_done_late_parts_go_and_wrong_ones_are_refused(store: Store) -> None:
    sink, _ = two_parts(store)
    late = ParquetSink(store.root, "a", 7)
    late.write("evals", [{"step": 1, "split": "test"}])
    late.flush(5, {})
    settle(store, "a", sink.written)
    assert store.parts("evals", "a") == []
    overwrite(store)
    with pytest.raises(OverwrittenError, match=r"steps/part-1\.parquet"):
        settle(store, "a", sink.written)


def test_a_trial_that_another_has_is_held_and_shown_as_running(
    store: Store, fake_trial: FakeTrial, tiny_spec: TrialSpec
) -> None:
    identity, options = trial_id(tiny_spec), RunOptions(str(store.root), driver="two")
    claim = taken(store, identity)
    assert run_attempt(tiny_spec, options, go_on) == "held"
    assert trial_states(store, [identity], Damage()) == {identity: "running"}
    assert fake_trial.calls == []
    claim.start()
    claim.release()
    assert run_attempt(tiny_spec, options, go_on) == "completed"


def test_a_late_attempt_damages_nothing(store: Store, fake_trial: FakeTrial, tiny_spec: TrialSpec) -> None:
    """While part 2 is being made the trial is taken over and finished by a worker of the same driver."""
    options, inner = RunOptions(str(store.root), driver="one"), list[str]()

    def lose(part: int) -> None:
        if part == 2 and not inner:
            inner.append("begins")
            inner.append(run_attempt(tiny_spec, options, go_on))

    fake_trial.before = lose
    assert run_attempt(tiny_spec, options, go_on) == "held"
    assert inner == ["begins", "completed"]
    parts = store.parts("steps", trial_id(tiny_spec))
    rows = [step for path in parts for step in pq.read_table(parquet_source(path))["step"].to_pylist()]
    assert rows == list(range(PARTS * STEPS_A_PART))
    assert trial_states(store, [trial_id(tiny_spec)], Damage()) == {trial_id(tiny_spec): "done"}
    assert run_attempt(tiny_spec, options, go_on) == "completed"


def test_two_drivers_share_a_sweep(store: Store, fake_trial: FakeTrial, tiny_spec: TrialSpec) -> None:
    specs = [tiny_spec.model_copy(update={"seed": seed}) for seed in range(12)]
    both = threading.Barrier(2)

    def drive(name: str) -> None:
        both.wait()
        run_local(specs, RunOptions(str(store.root), driver=name), Quiet(), go_on, {})

    drivers = [threading.Thread(target=drive, args=(name,)) for name in ("one", "two")]
    for thread in drivers:
        thread.start()
    for thread in drivers:
        thread.join()
    assert sorted(fake_trial.calls) == sorted(trial_id(spec) for spec in specs)
    states = trial_states(store, [trial_id(spec) for spec in specs], Damage())
    assert set(states.values()) == {"done"}


def wait_for(condition) -> None:
    limit = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.005)


def test_what_a_late_attempt_trips_over_is_no_failure(
    store: Store, fake_trial: FakeTrial, tiny_spec: TrialSpec
) -> None:
    """The new owner deleted what the late one was just writing."""
    identity = trial_id(tiny_spec)

    def trip(part: int) -> None:
        if part == 1:
            taken(store, identity)
            raise FileNotFoundError(2, "No such file or directory", "part-1.parquet.tmp-0")

    fake_trial.before = trip
    assert run_attempt(tiny_spec, RunOptions(str(store.root), driver="one"), go_on) == "held"
    assert [row["outcome"] for row in pq.read_table(parquet_source(store.attempt_file(identity, 0))).to_pylist()] == [
        "interrupted"
    ]
