"""Finished trials of an older numerics version, and those that a target stopped."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from orchestrator.load import parse_sweep
from orchestrator.store import Store
from tests.orchestrator.fakes import FakeTrial, Killed, nothing
from trainables.records import NUMERICS_VERSION, write_part

Coherence = Callable[..., tuple[int, str, str]]

SWEEP = """\
name: seeds
axes: {seed: [0, 1, 2]}
fixed: {dataset: digits, model: {name: mlp, widths: [8]}, optimizer: {name: sgd, lr: 0.1}, batch_size: 50, epochs: 1}
"""
SPECS = parse_sweep(SWEEP, "s").specs


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    file = tmp_path / "seeds.yaml"
    file.write_text(SWEEP)
    return file


@pytest.fixture
def old(coherence: Coherence, fake_trial: FakeTrial, sweep: Path, tmp_path: Path) -> Store:
    """A store of three finished trials, the first two of version 0."""
    store = Store(tmp_path / "results")
    assert coherence("run", sweep, "--local", "--store", store.root)[0] == 0
    for identity in list(SPECS)[:2]:
        [row] = pq.read_table(store.trial_file(identity)).to_pylist()
        write_part(store.trial_file(identity), "trials", [{**row, "numerics_version": 0}], tag="test")
    fake_trial.calls.clear()
    fake_trial.starts.clear()
    return store


def plan(coherence: Coherence, store: Store) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(coherence("plan", "seeds", "--json", "--store", store.root)[1])
    return content


def versions(store: Store) -> list[int | None]:
    """Numerics version of each trial that is done; None of one that is not."""
    files = [store.trial_file(identity) for identity in SPECS]
    return [pq.read_table(file)["numerics_version"][0].as_py() if file.exists() else None for file in files]


def test_stale_trials_are_done_and_named(coherence: Coherence, fake_trial: FakeTrial, old: Store) -> None:
    assert (plan(coherence, old)["done"], plan(coherence, old)["stale"]) == (3, 2)
    assert "stale: 2 " in coherence("plan", "seeds", "--store", old.root)[1]
    assert coherence("run", "seeds", "--local", "--store", old.root)[0] == 0
    assert fake_trial.calls == []


def test_they_run_again_when_asked_to(coherence: Coherence, fake_trial: FakeTrial, old: Store) -> None:
    assert coherence("run", "seeds", "--local", "--rerun-stale", "--store", old.root)[0] == 0
    assert sorted(fake_trial.calls) == sorted(list(SPECS)[:2])
    assert versions(old) == [NUMERICS_VERSION] * 3
    assert plan(coherence, old)["stale"] == 0
    for identity in SPECS:
        steps = [row["step"] for part in old.parts("steps", identity) for row in pq.read_table(part).to_pylist()]
        assert steps == list(range(40))
    assert coherence("run", "seeds", "--local", "--rerun-stale", "--store", old.root)[0] == 0
    assert len(fake_trial.calls) == 2


@pytest.mark.parametrize("call", ["clear_checkpoints", "delete_parts_beyond"])
def test_killed_while_an_old_trial_is_undone(
    call: str, coherence: Coherence, fake_trial: FakeTrial, old: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before its row went it is done as it was; after, it is pending. Never does it resume from old numbers."""
    stale = list(SPECS)[:2]
    for identity in stale:
        old.checkpoints(identity).mkdir(parents=True)  # what a kill left behind once
    with monkeypatch.context() as patch:
        patch.setattr(Store, call, _killed)
        with pytest.raises(Killed):
            coherence("run", "seeds", "--local", "--rerun-stale", "--store", old.root)
    assert fake_trial.calls == []
    left = [version for version in versions(old) if version == 0]
    assert len(left) == (2 if call == "clear_checkpoints" else 1)
    assert coherence("run", "seeds", "--local", "--rerun-stale", "--store", old.root)[0] == 0
    assert versions(old) == [NUMERICS_VERSION] * 3
    assert fake_trial.starts == [0, 0]


def test_killed_while_it_runs_again(coherence: Coherence, fake_trial: FakeTrial, old: Store) -> None:
    """The other one stays done; a plain run takes the new attempt up from the new checkpoint."""

    def kill(part: int) -> None:
        if part == 2:
            raise Killed

    fake_trial.before = kill
    with pytest.raises(Killed):
        coherence("run", "seeds", "--local", "--rerun-stale", "--store", old.root)
    assert sorted(versions(old), key=str) == [0, NUMERICS_VERSION, None]
    fake_trial.before = nothing
    assert coherence("run", "seeds", "--local", "--store", old.root)[0] == 0
    assert fake_trial.starts == [0, 20]
    assert plan(coherence, old)["stale"] == 1


def test_a_compacted_copy_is_not_the_place(coherence: Coherence, old: Store, tmp_path: Path) -> None:
    assert coherence("compact", "--out", tmp_path / "copy", "--store", old.root)[0] == 0
    assert plan(coherence, Store(tmp_path / "copy"))["stale"] == 2
    code, out, err = coherence("run", "seeds", "--local", "--rerun-stale", "--store", tmp_path / "copy")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "compacted copy" in err


def test_stopped_at_a_target_is_an_outcome(
    coherence: Coherence, fake_trial: FakeTrial, sweep: Path, tmp_path: Path
) -> None:
    from orchestrator.tracking.mirror import mirror

    results, fake_trial.outcome = tmp_path / "results", "stopped"
    code, out, err = coherence("run", sweep, "--local", "--store", results)
    assert (code, out.splitlines()[-1]) == (0, "sweep seeds: stopped 3")
    assert "3 of 3 done" in err
    counts = json.loads(coherence("status", "seeds", "--json", "--store", results)[1])
    assert (counts["stopped"], counts["done"], counts["pending"]) == (3, 0, 0)
    assert coherence("run", sweep, "--local", "--rerun-stale", "--store", results)[0] == 0
    assert len(fake_trial.calls) == 3
    store, identity = Store(results), next(iter(SPECS))
    [attempt] = pq.read_table(store.attempt_file(identity, 0)).to_pylist()
    assert (attempt["outcome"], attempt["failure"]) == ("stopped", None)
    seen = mirror(store, identity)
    assert seen.summary["outcome"] == "stopped"
    assert "stopped" in seen.tags


def _killed(*arguments: object) -> None:
    raise Killed
