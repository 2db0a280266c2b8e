"""Running whole sweeps through the command, in this process."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from orchestrator.load import parse_sweep
from tests.orchestrator.fakes import FakeTrial, Killed, nothing
from trainables.spec import trial_id

Coherence = Callable[..., tuple[int, str, str]]

TEXT = """\
name: seeds
axes: {seed: [0, 1, 2]}
fixed: {dataset: digits, model: {name: mlp, widths: [8]}, optimizer: {name: sgd, lr: 0.1}, batch_size: 50, epochs: 1}
"""


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    file = tmp_path / "seeds.yaml"
    file.write_text(TEXT)
    return file


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "results"


def status(coherence: Coherence, results: Path, sweep: str = "seeds") -> dict[str, int]:
    _, out, _ = coherence("status", sweep, "--json", "--store", results)
    content: dict[str, int] = json.loads(out.splitlines()[-1])
    states = ("done", "running", "pending", "failed", "diverged", "stopped")
    assert sum(content[state] for state in states) == content["planned"]
    return content


def test_a_real_sweep_and_again(coherence: Coherence, results: Path) -> None:
    code, out, err = coherence("run", "smoke", "--local", "--store", results)
    assert code == 0, err
    assert "2 trials added, 0 kept, 0 dropped" in out
    assert status(coherence, results, "smoke")["done"] == 2
    files = {path: path.stat().st_mtime_ns for path in results.rglob("*") if path.is_file()}
    code, out, _ = coherence("run", "smoke", "--local", "--store", results)
    assert code == 0
    assert "nothing to run" in out
    assert {path: path.stat().st_mtime_ns for path in results.rglob("*") if path.is_file()} == files


def test_a_longer_sweep_runs_what_is_missing(
    coherence: Coherence, fake_trial: FakeTrial, sweep: Path, results: Path
) -> None:
    assert coherence("run", sweep, "--local", "--store", results)[0] == 0
    sweep.write_text(TEXT.replace("[0, 1, 2]", "[2, 3]"))
    code, out, _ = coherence("run", sweep, "--local", "--store", results)
    assert code == 0
    assert "revision 1: 1 trials added, 1 kept, 2 dropped" in out
    assert len(fake_trial.calls) == 4
    sweep.unlink()
    assert coherence("run", "seeds", "--local", "--store", results)[0] == 0
    assert len(fake_trial.calls) == 4
    assert status(coherence, results)["done"] == 2


def test_a_trial_shared_by_two_sweeps_runs_once(
    coherence: Coherence, fake_trial: FakeTrial, sweep: Path, results: Path
) -> None:
    coherence("run", sweep, "--local", "--store", results)
    sweep.write_text(TEXT.replace("name: seeds", "name: other").replace("[0, 1, 2]", "[2, 3]"))
    coherence("run", sweep, "--local", "--store", results)
    assert len(fake_trial.calls) == len(set(fake_trial.calls)) == 4
    _, out, _ = coherence("status", "--json", "--store", results)
    assert [(one["sweep"], one["done"]) for one in json.loads(out)] == [("other", 2), ("seeds", 3)]


def test_a_failing_trial_stops_nothing_and_retry_runs_only_it(
    coherence: Coherence, fake_trial: FakeTrial, sweep: Path, results: Path
) -> None:
    def fail(part: int) -> None:
        if len(fake_trial.calls) == 2:
            raise RuntimeError("not this one")

    fake_trial.before = fail
    code, _, err = coherence("run", sweep, "--local", "--store", results)
    assert code == 1
    assert "coherence retry" in err
    assert "RuntimeError: not this one" in err
    counts = status(coherence, results)
    assert (counts["done"], counts["failed"]) == (2, 1)
    assert coherence("status", "seeds", "--store", results)[0] == 1
    sweep.write_text(TEXT.replace("[0, 1, 2]", "[0, 1, 2, 3]"))
    code, out, _ = coherence("retry", "seeds", "--local", "--json", "--store", results)
    assert code == 0
    events = {line["event"]: line for line in map(json.loads, out.splitlines())}
    assert events["begin"]["to_run"] == 1
    assert events["finished"]["outcome"] == "completed"
    assert events["end"]["exit_code"] == 0
    assert len(fake_trial.calls) == 4
    code, out, _ = coherence("retry", "seeds", "--local", "--store", results)
    assert "nothing failed" in out


def test_diverged_counts_and_is_not_run_again(
    coherence: Coherence, fake_trial: FakeTrial, sweep: Path, results: Path
) -> None:
    fake_trial.outcome = "diverged"
    assert coherence("run", sweep, "--local", "--store", results)[0] == 0
    assert status(coherence, results)["diverged"] == 3
    assert coherence("run", sweep, "--local", "--store", results)[0] == 0
    assert len(fake_trial.calls) == 3


def test_a_killed_driver_leaves_no_lock_behind(
    coherence: Coherence, fake_trial: FakeTrial, sweep: Path, results: Path
) -> None:
    def kill(part: int) -> None:
        if len(fake_trial.calls) == 2 and part == 2:
            raise Killed

    fake_trial.after = kill
    with pytest.raises(Killed):
        coherence("run", sweep, "--local", "--store", results)
    counts = status(coherence, results)
    assert (counts["done"], counts["pending"], counts["running"]) == (1, 2, 0)
    fake_trial.after = nothing
    assert coherence("run", sweep, "--local", "--store", results)[0] == 0
    assert fake_trial.starts == [0, 0, 20, 0]


def test_running_is_seen_while_a_driver_lives(
    coherence: Coherence, fake_trial: FakeTrial, sweep: Path, results: Path
) -> None:
    seen = []

    def look(part: int) -> None:
        if part == 0 and len(fake_trial.calls) == 2:
            seen.append(status(coherence, results))

    fake_trial.before = look
    coherence("run", sweep, "--local", "--store", results)
    assert (seen[0]["done"], seen[0]["running"], seen[0]["pending"]) == (1, 1, 1)


def test_a_full_disk_is_one_line_and_a_rerun_completes(
    coherence: Coherence, fake_trial: FakeTrial, sweep: Path, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("orchestrator.attempt.write_part", full)
        code, _, err = coherence("run", sweep, "--local", "--store", results)
    assert code == 1
    assert "No space left on device" in err.splitlines()[-1]
    assert coherence("run", sweep, "--local", "--store", results)[0] == 0
    assert status(coherence, results)["done"] == 3


def test_damage_is_named_and_the_rest_is_read(
    coherence: Coherence, fake_trial: FakeTrial, sweep: Path, results: Path
) -> None:
    coherence("run", sweep, "--local", "--store", results)
    first, second, _ = parse_sweep(TEXT, "s").specs
    part = results / "steps" / first / "part-1.parquet"
    part.write_bytes(part.read_bytes()[:-5])
    code, out, err = coherence("status", "seeds", "--json", "--store", results)
    assert code == 1
    assert json.loads(out)["done"] == 3
    assert err.count("\n") == 1
    assert str(part) in err
    row = results / "trials" / second / "part-0.parquet"
    row.write_bytes(b"")
    code, out, err = coherence("status", "seeds", "--json", "--store", results)
    assert (code, json.loads(out)["done"], json.loads(out)["pending"]) == (1, 2, 1)
    assert str(row) in err
    # A re-run makes the row again; the cut part is still named.
    code, _, err = coherence("run", "seeds", "--local", "--store", results)
    assert code == 1
    assert str(part) in err
    assert str(row) not in err
    assert status(coherence, results)["done"] == 3


SLOW = """\
name: slow
axes: {seed: [0, 1]}
fixed: {dataset: digits, model: {name: mlp, widths: [64]}, optimizer: {name: sgd, lr: 0.1}, batch_size: 10, epochs: 8}
measure: {online: {every: 1, layers: {every: 10}}, probe: {examples: 200, schedule: {every: 50}}}
"""


def drive(sweep: Path, results: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "orchestrator.cli", "run", str(sweep), "--local", "--checkpoint-every", "0.2"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([*command, "--store", str(results)], **pipes)  # type: ignore[call-overload, no-any-return]


def wait_for_checkpoint(results: Path, driver: "subprocess.Popen[str]") -> None:
    """Until the driver at work has saved a checkpoint of its own."""
    before, deadline = checkpoints(results), time.monotonic() + 60
    while not checkpoints(results) - before:
        assert driver.poll() is None, driver.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def checkpoints(results: Path) -> set[tuple[Path, int]]:
    found = set()
    for path in results.glob("checkpoints/*/*.pt"):
        with suppress(FileNotFoundError):  # it went between the look and the question
            found.add((path, path.stat().st_mtime_ns))
    return found


def test_kill_and_interrupt_change_nothing(coherence: Coherence, tmp_path: Path, results: Path) -> None:
    """kill -9 of the driver, then Ctrl-C, then to the end: every row equals an undisturbed run's."""
    sweep = tmp_path / "slow.yaml"
    sweep.write_text(SLOW)
    driver = drive(sweep, results)
    wait_for_checkpoint(results, driver)
    driver.kill()
    driver.communicate()
    driver = drive(sweep, results)
    wait_for_checkpoint(results, driver)
    os.kill(driver.pid, signal.SIGINT)
    _, err = driver.communicate()
    assert driver.returncode == 130, err
    assert "continue with: coherence run" in err
    assert coherence("run", sweep, "--local", "--store", results)[0] == 0
    assert coherence("run", sweep, "--local", "--store", tmp_path / "calm")[0] == 0
    for identity in map(trial_id, parse_sweep(SLOW, "s").specs.values()):
        for table in ("steps", "layers", "evals", "examples"):
            assert whole(results, table, identity) == whole(tmp_path / "calm", table, identity)
    starts = [pq.read_table(path)["start_step"][0].as_py() for path in results.glob("attempts/*/*.parquet")]
    assert any(start for start in starts if start)


def whole(store: Path, table: str, identity: str) -> list[dict[str, object]]:
    parts = sorted((store / table / identity).glob("*.parquet"), key=lambda path: int(path.stem.split("-")[1]))
    return [row for path in parts for row in pq.read_table(path).to_pylist()]
