"""Early stopping: who is stopped at a rung, how it is marked, and how such trials are run to their end."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from analysis.store import Store as ReadStore
from analysis.sweeps import open_sweep
from orchestrator.early_stopping import Contest, EarlyStopping, Judge
from orchestrator.load import parse_sweep
from orchestrator.store import Store
from trainables.records import PARTED, STOPPED_EARLY

Coherence = Callable[..., tuple[int, str, str]]

PLAIN = """\
name: rates
axes: {optimizer: [{name: sgd, lr: 0.3}, {name: sgd, lr: 0.2}, {name: sgd, lr: 1.0e-5}, {name: sgd, lr: 2.0e-5}]}
fixed: {dataset: digits, model: {name: mlp, widths: [8]}, batch_size: 100, epochs: 2, seed: 0}
measure: {probe: null, online: {every: 5}, evaluate: {schedule: {every: 5}}}
"""
RULE = "early_stopping: {name: successive-halving, rungs: [9], metric: train-accuracy, eta: 2, among: 2}\n"


def judge(store: Path, name: str, value: float, step: int = 10, **rule: Any) -> str | None:
    """What a trial is told that comes to the rung with this value."""
    chosen = EarlyStopping(**{"name": "successive-halving", "rungs": (10,), "eta": 2.0, "among": 3, **rule})
    rows = [{"split": "train", "accuracy": 0.0, "loss": 0.0}, {"split": "test", "accuracy": value, "loss": value}]
    return Judge(Contest(chosen, "sweep"), store, name)(step, rows)


def test_who_goes_on(tmp_path: Path) -> None:
    assert judge(tmp_path, "before", 0.0, step=9) is None
    assert not (tmp_path / "rungs").exists()
    told = [judge(tmp_path, str(number), value) for number, value in enumerate([0.5, 0.1, 0.4, 0.3, 0.5, 0.4])]
    assert [reason is None for reason in told] == [True, True, True, False, True, True]
    assert told[3] == "early stopping: test-accuracy 0.3 at step 10 is number 3 of 4; the best 2 go on"


def test_small_losses_are_good(tmp_path: Path) -> None:
    told = [judge(tmp_path, str(number), value, metric="test-loss") for number, value in enumerate([0.5, 0.4, 0.6])]
    assert [reason is None for reason in told] == [True, True, False]


def test_a_trial_is_told_again_what_it_was_told(tmp_path: Path) -> None:
    assert judge(tmp_path, "first", 0.2) is None
    for number in range(5):
        judge(tmp_path, str(number), 0.9)
    assert judge(tmp_path, "first", 0.2, step=15) is None
    stopped = judge(tmp_path, "last", 0.2)
    assert stopped is not None
    assert judge(tmp_path, "last", 1.0) == stopped


def test_rungs_are_judged_apart(tmp_path: Path) -> None:
    for number in range(4):
        judge(tmp_path, str(number), 0.9, rungs=(10, 20))
    assert judge(tmp_path, "a", 0.1, step=25, rungs=(10, 20)) is None
    assert sorted(path.name for path in (tmp_path / "rungs" / "sweep").iterdir()) == ["10", "20"]


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    file = tmp_path / "rates.yaml"
    file.write_text(PLAIN + RULE)
    return file


def trials(store: Path) -> dict[float, dict[str, Any]]:
    """Rows of `trials` by learning rate."""
    rows = [row for path in store.glob("trials/*/*.parquet") for row in pq.read_table(path).to_pylist()]
    return {row["lr"]: row for row in rows}


def test_a_sweep_whose_laggards_are_stopped_and_then_run_to_their_end(
    coherence: Coherence, sweep: Path, tmp_path: Path
) -> None:
    results, whole = tmp_path / "results", tmp_path / "whole"
    code, out, _ = coherence("run", sweep, "--local", "--store", results)
    assert (code, "early stopping: successive-halving" in out) == (0, True)
    found = trials(results)
    stopped = {lr for lr, row in found.items() if row["outcome"] == "stopped"}
    assert {1e-5, 2e-5} <= stopped < set(found)
    for lr in stopped:
        assert found[lr]["reason"].startswith(STOPPED_EARLY)
        assert found[lr]["steps"] == 10

    cells = open_sweep(ReadStore(results), "rates").missing
    assert [cell.state for cell in cells] == ["stopped early"] * len(stopped)
    assert coherence("verify", found[1e-5]["trial_id"], "--store", results)[0] == 0
    assert "nothing to run" in coherence("run", sweep, "--local", "--store", results)[1]
    assert trials(results) == found

    code, out, _ = coherence("run", sweep, "--local", "--rerun-stopped", "--store", results)
    assert (code, "early stopping is off" in out) == (0, True)
    again = trials(results)
    assert {row["outcome"] for row in again.values()} == {"completed"}
    assert {lr: again[lr] for lr in set(found) - stopped} == {lr: found[lr] for lr in set(found) - stopped}

    sweep.write_text(PLAIN)
    coherence("run", sweep, "--local", "--store", whole)
    for table in PARTED:
        for identity in {row["trial_id"] for row in again.values()}:
            one, other = (
                [row for path in Store(root).parts(table, identity) for row in pq.read_table(path).to_pylist()]
                for root in (results, whole)
            )
            assert one == other, table


def test_it_is_off_by_default_and_no_part_of_a_trial(coherence: Coherence, sweep: Path, tmp_path: Path) -> None:
    assert list(parse_sweep(PLAIN, "s").specs) == list(parse_sweep(PLAIN + RULE, "s").specs)
    sweep.write_text(PLAIN)
    coherence("run", sweep, "--local", "--store", tmp_path / "results")
    assert {row["outcome"] for row in trials(tmp_path / "results").values()} == {"completed"}
    assert not (tmp_path / "results" / "rungs").exists()


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("{name: successive-halving, rungs: [28]}", "given 28, but the longest trial has 28 steps"),
        ("{name: successive-halving}", "early_stopping.rungs: missing"),
        ("{name: successive-halving, rungs: [5], eta: 1}", "more than 1"),
        ("{name: asha, rungs: [5]}", "expected 'successive-halving'"),
    ],
)
def test_mistakes_are_refused(coherence: Coherence, sweep: Path, tmp_path: Path, rule: str, says: str) -> None:
    sweep.write_text(f"{PLAIN}early_stopping: {rule}\n")
    code, _, err = coherence("run", sweep, "--local", "--store", tmp_path / "results")
    assert (code, err.count("\n")) == (2, 1)
    assert says in err
    assert not (tmp_path / "results").exists()


def test_a_collection_runs_every_trial_to_its_end(coherence: Coherence, sweep: Path, tmp_path: Path) -> None:
    results, both = tmp_path / "results", tmp_path / "both.yaml"
    coherence("run", sweep, "--local", "--store", results)
    before = json.dumps(trials(results), sort_keys=True)
    both.write_text("name: both\nsweeps: [rates]\n")
    code, out, _ = coherence("run", both, "--local", "--rerun-stopped", "--store", results)
    assert (code, "in a collection every trial runs to its end" in out) == (0, True)
    assert json.dumps(trials(results), sort_keys=True) != before
    assert {row["outcome"] for row in trials(results).values()} == {"completed"}
