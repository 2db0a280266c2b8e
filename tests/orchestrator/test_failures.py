"""What kind of failure an error is, what is tried again, and what the rows say afterwards."""

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from orchestrator.attempt import RunOptions, run_attempt
from orchestrator.deadline import Deadline
from orchestrator.failures import FAILURES, OutOfTimeError, failure_class
from orchestrator.families import LIMIT, Families
from orchestrator.history import close_lost, failures_since, is_open, newest_attempt
from orchestrator.retries import RETRIES, may_retry, run_with_retries
from orchestrator.store import Store
from tests.orchestrator.fakes import FakeTrial, Killed, nothing
from trainables.aggregators import AGGREGATORS
from trainables.spec import TrialSpec, trial_id


def named(name: str, module: str, *bases: type, text: str = "") -> BaseException:
    """An error of a library that is not imported here."""
    return type(name, bases or (Exception,), {"__module__": module})(text)


CLASSES: dict[str, tuple[BaseException, str]] = {
    "torch's own": (named("OutOfMemoryError", "torch", RuntimeError), "device-memory"),
    "the older words": (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"), "device-memory"),
    "the driver": (RuntimeError("CUDA error: out of memory"), "device-memory"),
    "cuBLAS": (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"), "device-memory"),
    "Python": (MemoryError(), "host-memory"),
    "NumPy": (named("_ArrayMemoryError", "numpy._core._exceptions", MemoryError), "host-memory"),
    "torch on the host": (
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory"),
        "host-memory",
    ),
    "the system": (OSError(errno.ENOMEM, "Cannot allocate memory"), "host-memory"),
    "Ray's monitor, a task": (named("OutOfMemoryError", "ray.exceptions"), "host-memory"),
    "Ray's monitor, an actor": (
        named("ActorDiedError", "ray.exceptions", text="the node was running low on memory"),
        "host-memory",
    ),
    "a lost worker": (named("ActorDiedError", "ray.exceptions", text="SYSTEM_ERROR"), "infrastructure"),
    "a full disk": (OSError(errno.ENOSPC, "No space left on device"), "infrastructure"),
    "a stale mount": (OSError(errno.ESTALE, "Stale file handle"), "infrastructure"),
    "a broken pipe": (BrokenPipeError(errno.EPIPE, "Broken pipe"), "infrastructure"),
    "a silent network": (TimeoutError("timed out"), "infrastructure"),
    "data that cannot be had": (
        named("MissingDataError", "trainables.datasets.folder", RuntimeError),
        "infrastructure",
    ),
    "time": (OutOfTimeError("more than 5 s"), "time-out"),
    "a missing file": (FileNotFoundError(errno.ENOENT, "No such file"), "bug"),
    "a key": (KeyError("out of memory"), "bug"),
    "shapes": (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), "bug"),
    "memory in a word": (RuntimeError("out of memory slots of the rolling median"), "bug"),
    "an assertion": (AssertionError(), "bug"),
}


@pytest.mark.parametrize("case", CLASSES)
def test_class_of_an_error(case: str) -> None:
    error, expected = CLASSES[case]
    assert failure_class(error) == expected


def test_torch_still_names_it_so() -> None:
    import torch

    assert failure_class(torch.OutOfMemoryError("CUDA out of memory.")) == "device-memory"


@pytest.mark.ray
def test_ray_still_names_it_so() -> None:
    import ray

    assert failure_class(ray.exceptions.OutOfMemoryError("killed")) == "host-memory"
    assert failure_class(ray.exceptions.WorkerCrashedError()) == "infrastructure"


def test_every_class_has_a_policy() -> None:
    assert set(RETRIES) == set(FAILURES)


@pytest.mark.parametrize(
    ("failures", "again"),
    [
        ([], True),
        (["bug"], False),
        (["time-out"], False),
        (["device-memory"], True),
        (["device-memory"] * 2, False),
        (["host-memory"], True),
        (["host-memory"] * 2, False),
        (["infrastructure"] * 3, True),
        (["infrastructure"] * 4, False),
        (["infrastructure", "host-memory", "device-memory"], True),
        (["infrastructure", "bug"], False),
    ],
)
def test_the_policy(failures: list[str], again: bool) -> None:
    assert may_retry(failures) is again


def never() -> bool:
    return False


def rows(store: Store) -> list[dict[str, Any]]:
    files = sorted((store.root / "attempts").glob("*/*.parquet"), key=lambda path: int(path.stem.split("-")[1]))
    return [row for path in files for row in pq.read_table(path).to_pylist()]


def go(spec: TrialSpec, store: Store, **options: Any) -> tuple[str, list[str], list[float]]:
    """Outcome, classes tried again, seconds paused."""
    again, slept = list[str](), list[float]()
    given = RunOptions(str(store.root), **options)
    outcome = run_with_retries(spec, given, never, again.append, sleep=slept.append)
    return outcome, again, slept


def failing(fake: FakeTrial, error: BaseException, times: int) -> None:
    """The first `times` attempts fail before their second part."""

    def before(part: int) -> None:
        if part >= 1 and len(fake.calls) <= times:
            raise error

    fake.before = before


@pytest.mark.parametrize(
    ("error", "failure", "times"),
    [
        (RuntimeError("CUDA out of memory"), "device-memory", 1),
        (MemoryError(), "host-memory", 1),
        (ConnectionResetError(), "infrastructure", 3),
    ],
)
def test_what_may_pass_is_tried_again_from_the_checkpoint(
    error: Exception, failure: str, times: int, store: Store, fake_trial: FakeTrial, tiny_spec: TrialSpec
) -> None:
    failing(fake_trial, error, times)
    outcome, again, slept = go(tiny_spec, store)
    assert (outcome, again) == ("completed", [failure] * times)
    assert [row["failure"] for row in rows(store)] == [failure] * times + [None]
    assert fake_trial.starts == [0] + [10] * times
    assert sum(slept) == (31.0 if failure == "infrastructure" else 0.0)


@pytest.mark.parametrize(("error", "attempts"), [(MemoryError(), 2), (ConnectionResetError(), 4), (KeyError(1), 1)])
def test_and_given_up_in_the_end(
    error: Exception, attempts: int, store: Store, fake_trial: FakeTrial, tiny_spec: TrialSpec
) -> None:
    failing(fake_trial, error, 99)
    assert go(tiny_spec, store)[0] == "failed"
    assert len(rows(store)) == attempts
    # Of an earlier launch nothing counts; in the same one (a worker was lost and came again) everything does.
    assert go(tiny_spec, store, first_attempt=attempts)[0] == "failed"
    assert len(rows(store)) == 2 * attempts
    assert go(tiny_spec, store, first_attempt=attempts)[0] == "failed"
    assert len(rows(store)) == 2 * attempts


def test_a_full_disk_is_recorded_where_it_can_be_and_raised(
    store: Store, fake_trial: FakeTrial, tiny_spec: TrialSpec
) -> None:
    failing(fake_trial, OSError(errno.ENOSPC, "No space left on device"), 1)
    with pytest.raises(OSError, match="No space left"):
        go(tiny_spec, store)
    [row] = rows(store)
    assert (row["outcome"], row["failure"]) == ("failed", "infrastructure")


def test_a_killed_attempt_is_closed_by_the_next(store: Store, fake_trial: FakeTrial, tiny_spec: TrialSpec) -> None:
    def kill(part: int) -> None:
        if part == 1:
            raise Killed

    fake_trial.before = kill
    with pytest.raises(Killed):
        go(tiny_spec, store, estimated_s=7.5)
    assert is_open(store, trial_id(tiny_spec), 0)
    fake_trial.before = nothing
    assert go(tiny_spec, store)[0] == "completed"
    lost, ended = rows(store)
    assert (lost["outcome"], lost["failure"], lost["error_class"]) == ("failed", "infrastructure", "WorkerLostError")
    assert (lost["estimated_s"], lost["ended_at"]) == (7.5, None)
    assert (ended["outcome"], ended["failure"], ended["start_step"]) == ("completed", None, 10)


def test_only_an_open_row_is_closed(store: Store, fake_trial: FakeTrial, tiny_spec: TrialSpec) -> None:
    go(tiny_spec, store)
    before = rows(store)
    assert not close_lost(store, trial_id(tiny_spec), 0, "infrastructure", "gone")
    assert not close_lost(store, trial_id(tiny_spec), 1, "infrastructure", "gone")
    assert rows(store) == before


def test_a_late_writer_leaves_what_was_closed(store: Store, fake_trial: FakeTrial, tiny_spec: TrialSpec) -> None:
    """The older attempt was taken for lost, is alive, and meets the newer one's row."""
    from trainables.storage import SupersededError

    identity = trial_id(tiny_spec)

    def superseded(part: int) -> None:
        close_lost(store, identity, 0, "host-memory", "its worker was killed")
        raise SupersededError

    fake_trial.before = superseded
    assert run_attempt(tiny_spec, RunOptions(str(store.root)), never) == "held"
    [row] = rows(store)
    assert (row["outcome"], row["failure"]) == ("failed", "host-memory")
    assert failures_since(store, identity, 0) == ["host-memory"]
    assert failures_since(store, identity, 1) == []


def test_a_deadline_passes_by_its_own_clock() -> None:
    now = [0.0]
    asked = [False]
    deadline = Deadline(5.0, lambda: asked[0], lambda: now[0])
    assert not deadline()
    now[0] = 5.0
    assert deadline()
    assert deadline.passed
    asked[0] = True
    fresh = Deadline(None, lambda: asked[0], lambda: now[0])
    assert fresh()
    assert not fresh.passed


def test_time_out_keeps_the_checkpoint_and_the_next_attempt_resumes(
    store: Store, fake_trial: FakeTrial, tiny_spec: TrialSpec
) -> None:
    assert go(tiny_spec, store, timeout_s=1e-9)[0] == "failed"
    [row] = rows(store)
    assert (row["failure"], row["error_class"], row["end_step"]) == ("time-out", "OutOfTimeError", 10)
    assert store.checkpoints(trial_id(tiny_spec)).exists()
    assert go(tiny_spec, store, first_attempt=1)[0] == "completed"
    assert fake_trial.starts == [0, 10]


def test_three_trials_with_one_bug_stop_their_family_alone(tiny_spec: TrialSpec) -> None:
    families = Families()

    def fail(seed: int, fingerprint: str = "f", failure: str = "bug") -> str | None:
        row = {"trial_id": str(seed), "fingerprint": fingerprint, "failure": failure, "error_class": "KeyError"}
        return families.add(tiny_spec.model_copy(update={"seed": seed}), row)

    assert LIMIT == 3
    told = [fail(0), fail(0), fail(1), fail(2, "other"), fail(3, failure="host-memory")]
    assert told == [None] * 5
    assert not families.stopped(tiny_spec)
    assert fail(4) is not None
    assert families.stopped(tiny_spec)
    assert fail(5) is None, "said once"
    other = AGGREGATORS["median-of-3"].params(name="median-of-3")
    assert not families.stopped(tiny_spec.model_copy(update={"aggregator": other}))


SWEEP = """\
name: seeds
axes: {aggregator: [mean, median-of-3], seed: {range: [0, 5]}}
fixed: {dataset: digits, model: {name: mlp, widths: [8]}, optimizer: {name: sgd, lr: 0.1}, batch_size: 51, epochs: 1}
"""
Coherence = Callable[..., tuple[int, str, str]]


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    file = tmp_path / "seeds.yaml"
    file.write_text(SWEEP)
    return file


def test_a_sweep_with_a_bug_in_one_family(
    coherence: Coherence, fake_trial: FakeTrial, sweep: Path, tmp_path: Path
) -> None:
    import json

    from orchestrator.load import parse_sweep

    specs, results = parse_sweep(SWEEP, "s").specs, tmp_path / "results"

    def fail(part: int) -> None:
        spec = specs[fake_trial.calls[-1]]
        if spec.aggregator.name == "mean":
            raise ZeroDivisionError(f"seed {spec.seed}")

    fake_trial.before = fail
    code, _, err = coherence("run", sweep, "--local", "--store", results)
    assert code == 1
    assert len([line for line in err.splitlines() if "stay pending" in line]) == 1
    _, out, _ = coherence("status", "seeds", "--json", "--store", results)
    counts = json.loads(out)
    assert (counts["done"], counts["failed"], counts["pending"]) == (5, 3, 2)
    code, out, _ = coherence("failures", "seeds", "--json", "--store", results)
    [group] = json.loads(out)
    assert (code, group["failure"], group["count"]) == (1, "bug", 3)
    assert group["line"].startswith("ZeroDivisionError: seed ")
    assert specs[group["example"]].aggregator.name == "mean"
    assert f"coherence retry seeds --only bug --store {results}" in group["next_move"]
    code, out, _ = coherence("failures", "seeds", "--store", results)
    assert (code, len(out.splitlines())) == (1, 4)
    assert coherence("retry", "seeds", "--only", "time-out", "--local", "--store", results)[1].startswith("nothing")
    fake_trial.before = nothing
    assert coherence("retry", "seeds", "--only", "bug", "--only", "time-out", "--local", "--store", results)[0] == 1
    assert coherence("run", "seeds", "--local", "--store", results)[0] == 0
    code, out, _ = coherence("failures", "seeds", "--store", results)
    assert (code, out) == (0, "sweep seeds: nothing failed\n")


def test_two_causes_are_two_groups(store: Store, fake_trial: FakeTrial, tiny_spec: TrialSpec) -> None:
    from orchestrator.failed import group_failures
    from orchestrator.reading import Damage

    specs = [tiny_spec.model_copy(update={"seed": seed}) for seed in range(4)]
    errors: list[BaseException] = [KeyError("a"), KeyError("b"), MemoryError(), ValueError()]

    def fail(part: int) -> None:
        raise errors[next(n for n, spec in enumerate(specs) if trial_id(spec) == fake_trial.calls[-1])]

    fake_trial.before = fail
    for spec in specs:
        go(spec, store)
    groups = group_failures(store, "s", map(trial_id, specs), Damage())
    assert [(group.failure, group.count, group.example) for group in groups[:1]] == [("bug", 2, trial_id(specs[0]))]
    assert {(group.failure, group.count) for group in groups[1:]} == {("bug", 1), ("host-memory", 1)}
    assert newest_attempt(store, trial_id(specs[2]))["attempt"] == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["retry", "smoke", "--only", "bugs"], "--only: unknown class 'bugs'. Did you mean 'bug'?"),
        (["run", "smoke", "--local", "--timeout", "0"], "--timeout: given 0, expected more than 0 seconds."),
        (["failures", "smoek"], "unknown sweep 'smoek'"),
    ],
)
def test_misuse_is_one_line(
    arguments: list[str], says: str, coherence: Coherence, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = coherence(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert says in err
    assert list(tmp_path.iterdir()) == []
