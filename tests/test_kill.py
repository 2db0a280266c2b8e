"""Kill it, run it again: the curves equal an undisturbed run's bit for bit, and some trial resumed above step 0."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trainables.records import PARTED, part_number

SWEEP = """
name: kill
axes:
  aggregator: [{name: winsorized, level: 4}, rolling-median-of-3]
  seed: {range: [0, 2]}
fixed:
  dataset: digits
  model: {name: mlp, widths: [64]}
  corruption: {name: permuted-labels, fraction: 0.5}
  optimizer: {name: sgd, lr: 0.2}
  batch_size: 32
  epochs: 30
measure:
  probe: {examples: 500, schedule: {every: 20}}
  evaluate: {schedule: {every: 20}}
"""
DEADLINE = 120


def command(folder: Path, store: str, *options: str) -> list[str]:
    code = "import sys; from orchestrator.cli import main; sys.exit(main())"
    arguments = ["run", "kill.yaml", "--store", store, "--checkpoint-every", "0.2", *options]
    (folder / "kill.yaml").write_text(SWEEP)
    return [sys.executable, "-c", code, *arguments]


def run(folder: Path, store: str, *options: str) -> None:
    subprocess.run(command(folder, store, *options), cwd=folder, check=True, capture_output=True, timeout=300)


def curves(store: Path) -> dict[str, dict[str, pa.Table]]:
    """Table -> trial -> rows in order of parts."""
    found: dict[str, dict[str, pa.Table]] = {}
    for table in PARTED:
        found[table] = {}
        for trial in sorted((store / table).glob("*")):
            parts = sorted(trial.glob("*.parquet"), key=part_number)
            found[table][trial.name] = pa.concat_tables(pq.read_table(p).replace_schema_metadata() for p in parts)
    return found


def attempts(store: Path) -> pa.Table:
    return pa.concat_tables(pq.read_table(p) for p in (store / "attempts").rglob("*.parquet"))


def wait_for(condition, process: subprocess.Popen) -> None:
    """Until the condition holds; fails when the run ends first or the deadline passes."""
    limit = time.monotonic() + DEADLINE
    while not condition():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < limit, "nothing to kill within the deadline"
        time.sleep(0.02)


def some_checkpoint(store: Path) -> bool:
    """Of a trial that is still running: a finished one keeps its own for a moment after its `trials` row."""
    saved = {file.parent.name for file in store.glob("checkpoints/*/checkpoint-*.pt")}
    return any(not (store / "trials" / trial).exists() for trial in saved)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> dict[str, dict[str, pa.Table]]:
    folder = tmp_path_factory.mktemp("undisturbed")
    run(folder, "store", "--local")
    return curves(folder / "store")


def assert_same(store: Path, expected: dict[str, dict[str, pa.Table]]) -> None:
    found = curves(store)
    for table, trials in expected.items():
        assert found[table].keys() == trials.keys()
        for trial, rows in trials.items():
            assert found[table][trial].equals(rows), (table, trial)
    assert not list(store.rglob("*.tmp*"))
    assert not list(store.glob("checkpoints/*/*"))
    tried = attempts(store).to_pylist()
    assert max(row["start_step"] for row in tried) > 0
    assert {row["trial_id"] for row in tried} == set(expected["steps"])


def test_a_killed_local_run_is_completed_exactly(tmp_path, undisturbed):
    store = tmp_path / "store"
    for kills in range(2):
        process = subprocess.Popen(command(tmp_path, "store", "--local"), cwd=tmp_path, stderr=subprocess.DEVNULL)
        done = len(list(store.glob("trials/*")))
        wait_for(lambda done=done: len(list(store.glob("trials/*"))) > done and some_checkpoint(store), process)
        process.kill()
        process.wait()
        assert len(list(store.glob("trials/*"))) < len(undisturbed["steps"]), kills
    run(tmp_path, "store", "--local")
    assert_same(store, undisturbed)


def checkpointed_worker(store: Path) -> int | None:
    """Process id of a running trial that has a checkpoint, or None."""
    for folder in store.glob("checkpoints/*"):
        if list(folder.glob("checkpoint-*.pt")) and not (store / "trials" / folder.name).exists():
            parts = sorted((store / "attempts" / folder.name).glob("*.parquet"), key=part_number)
            return pq.read_table(parts[-1])["pid"][0].as_py()
    return None


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.timeout(600)
def test_killed_workers_and_a_killed_driver_under_ray(tmp_path, undisturbed):
    store = tmp_path / "store"

    def start() -> subprocess.Popen:
        return subprocess.Popen(command(tmp_path, "store"), cwd=tmp_path, stderr=subprocess.DEVNULL)

    process, killed = start(), []
    wait_for(lambda: checkpointed_worker(store), process)
    killed.append(checkpointed_worker(store))
    os.kill(killed[0], signal.SIGKILL)
    wait_for(lambda: list(store.glob("trials/*")) and checkpointed_worker(store) not in (None, killed[0]), process)
    process.kill()
    process.wait()
    assert start().wait(timeout=300) == 0
    assert_same(store, undisturbed)
