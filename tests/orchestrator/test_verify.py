"""`coherence verify`: a trial replays to the same states, and the first tensor that differs is named."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch

from orchestrator.attempt import RunOptions, run_attempt
from orchestrator.compact import compact
from orchestrator.reading import Damage
from orchestrator.store import Store, open_store
from orchestrator.verify import stored_digests, verify
from trainables.outcomes import never
from trainables.records import NUMERICS_VERSION, STORE_FILE, part_path, write_part
from trainables.setting import Setting
from trainables.spec import TrialSpec, trial_id

Coherence = Callable[..., tuple[int, str, str]]
STEPS = [0, 1, 2, 5, 10, 14]


@pytest.fixture
def done(store: Store, tiny_spec: TrialSpec) -> str:
    """Id of a finished trial of 14 steps."""
    assert run_attempt(tiny_spec, RunOptions(str(store.root), provenance='{"cpu": "abacus"}'), never) == "completed"
    return trial_id(tiny_spec)


def edit(store: Store, identity: str, step: int, name: str) -> None:
    """Put another digest in the place of one."""
    [path] = store.parts("digests", identity)
    rows = pq.read_table(path).to_pylist()
    [row] = [row for row in rows if (row["step"], row["name"]) == (step, name)]
    row["sha256"] = "0" * 16
    write_part(path, "digests", rows, tag="test")


def test_a_clean_trial_verifies(coherence: Coherence, store: Store, done: str) -> None:
    before = sorted(store.root.rglob("*"))
    code, out, err = coherence("verify", done, "--store", store.root)
    assert (code, err) == (0, "")
    assert f"{done}: every tensor is the same at 6 steps with digests, 0 to 14" in out
    assert sorted(store.root.rglob("*")) == before
    assert sorted(stored_digests(store, done, Damage())) == STEPS


def test_a_parameter_that_is_changed_while_replaying_is_named(
    coherence: Coherence, store: Store, done: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    update = Setting._update

    def disturbed(self: Setting, made: object, step: int) -> None:
        update(self, made, step)  # type: ignore[arg-type]
        if step == 4:
            with torch.no_grad():
                list(self.parameters.values())[2].view(-1)[0] += 1e-6

    monkeypatch.setattr(Setting, "_update", disturbed)
    found = verify(store, done, Damage()).difference
    assert found is not None
    tensors = [key for key in stored_digests(store, done, Damage())[5] if key[0] == "parameter"]
    assert (found.step, (found.kind, found.name), found.differing) == (5, tensors[2], 1)
    code, out, _ = coherence("verify", done, "--store", store.root)
    assert code == 1
    assert f"first difference at step 5: parameter {tensors[2][1]}" in out
    assert "the same at 3 steps with digests, 0 to 2" in out
    assert "CPU was abacus" in out


@pytest.mark.parametrize(("step", "kind", "which"), [(0, "batch", 2), (10, "batch", 0), (14, "parameter", -1)])
def test_a_stored_digest_that_is_edited_is_named(
    coherence: Coherence, store: Store, done: str, step: int, kind: str, which: int
) -> None:
    name = [name for each, name in stored_digests(store, done, Damage())[step] if each == kind][which]
    edit(store, done, step, name)
    code, out, _ = coherence("verify", done, "--store", store.root)
    assert code == 1
    assert f"first difference at step {step}: {kind} {name}" in out
    assert "stored 0000000000000000" in out


def test_a_slice(coherence: Coherence, store: Store, done: str, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = []
    train_step = Setting.train_step
    monkeypatch.setattr(Setting, "train_step", lambda self, step: trained.append(step) or train_step(self, step))
    edit(store, done, 1, "indices")
    assert verify(store, done, Damage(), first=2, steps=5).same == (2, 5)
    assert max(trained) == 5
    assert verify(store, done, Damage(), first=2, steps=5).left == (10, 14)
    assert verify(store, done, Damage(), first=6).same == (10, 14)
    assert coherence("verify", done, "--steps", "0", "--store", store.root)[0] == 0
    assert coherence("verify", done, "--store", store.root)[0] == 1


def test_without_a_number_of_steps_it_ends_in_time(store: Store, done: str) -> None:
    found = verify(store, done, Damage(), seconds=0.0)
    assert (found.difference, found.same, found.left) == (None, (0, 1), (2, 5, 10, 14))


def test_a_replay_that_ends_early_differs(store: Store, done: str, monkeypatch: pytest.MonkeyPatch) -> None:
    [path] = store.parts("digests", done)
    rows = pq.read_table(path).to_pylist()
    write_part(path, "digests", [*rows, {**rows[0], "step": 20}], tag="test")
    found = verify(store, done, Damage()).difference
    assert found is not None
    assert (found.step, found.name, found.replayed) == (20, rows[0]["name"], None)


def test_other_data_are_said(store: Store, done: str) -> None:
    edit(store, done, 0, "inputs")
    [row] = pq.read_table(store.trial_file(done)).to_pylist()
    write_part(store.trial_file(done), "trials", [{**row, "data_sha256": "beef"}], tag="test")
    assert any(remark.startswith("data was beef") for remark in verify(store, done, Damage()).remarks)


def test_a_compacted_copy_verifies(store: Store, done: str, tmp_path: Path) -> None:
    compact(store, tmp_path / "copy")
    assert verify(open_store(tmp_path / "copy"), done, Damage()).same == tuple(STEPS)


def test_nothing_to_compare_is_misuse(coherence: Coherence, store: Store, done: str) -> None:
    [row] = pq.read_table(store.trial_file(done)).to_pylist()
    for arguments, says in [
        (["demo"], "expected 12 hex digits"),
        (["0" * 12], "is not done"),
        ([done, "--from", "15"], "has no digests at the steps from 15"),
    ]:
        code, out, err = coherence("verify", *arguments, "--store", store.root)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert says in err
    write_part(store.trial_file(done), "trials", [{**row, "numerics_version": NUMERICS_VERSION - 1}], tag="test")
    assert "--rerun-stale" in coherence("verify", done, "--store", store.root)[2]


def test_a_store_of_version_2_is_read_written_and_raised(
    coherence: Coherence, store: Store, done: str, tmp_path: Path
) -> None:
    """Such a store holds the same tables less `digests`."""
    marker = store.root / STORE_FILE
    for path in store.parts("digests", done):
        path.unlink()
    marker.write_text(json.dumps({"format": "gradient-coherence", "schema_version": 2}))
    code, _, err = coherence("verify", done, "--store", store.root)
    assert (code, "has no digests" in err) == (2, True)
    assert coherence("status", "--store", store.root)[0] == 0
    assert json.loads(marker.read_text())["schema_version"] == 2
    sweep = tmp_path / "one.yaml"
    sweep.write_text(
        "name: one\nfixed: {dataset: digits, model: {name: mlp, widths: [8]}, optimizer: {name: sgd, lr: 0.1},"
        " batch_size: 100, epochs: 1, seed: 3}\n"
    )
    assert coherence("run", sweep, "--local", "--store", store.root)[0] == 0
    assert json.loads(marker.read_text()) == {"format": "gradient-coherence", "schema_version": 3}
    [new] = [name for name in store.trial_folders("trials") if name != done]
    assert part_path(store.root, "digests", new, 0).exists()
    assert coherence("verify", new, "--store", store.root)[0] == 0
