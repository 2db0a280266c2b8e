"""The report in W&B: its specification, made without a network, and what reaches a server."""

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.arms import arm_name, telling
from orchestrator.errors import UserError
from orchestrator.revisions import record_sweep
from orchestrator.store import create_store
from orchestrator.tracking.door import TrackingError
from orchestrator.tracking.report import MOST_ARMS, Told, claims_table, save, specification, told
from tests.orchestrator.ray_session import tiny
from tests.orchestrator.wandb_server import serving
from trainables.spec import trial_id

GOLDEN = Path(__file__).parent / "golden" / "wandb_report.json"
CLAIM = {
    "claim": "real-beats-random",
    "where": "MLP | 8",
    "contrast": "real minus\nrandom",
    "verdict": "supported",
    "said": "2.0 [1.5, 2.5]",
    "n": 3,
}
TEXT = """
name: pair
description: Why?
axes: {seed: [0, 1]}
fixed: {dataset: digits, model: mlp, optimizer: {name: sgd, lr: 0.1}, batch_size: 64, epochs: 1}
"""
TOLD = Told(
    "demo",
    "Do gradients of real labels align?",
    12,
    "s3://bucket/store",
    [("corruption none", "aaaa0000"), ("corruption permuted-labels, corruption_fraction 0.5", "bbbb1111")],
    ["corruption", "corruption_fraction"],
    [CLAIM],
)


def settled(content: Any) -> Any:
    """Without the ids that are drawn anew each time."""
    if isinstance(content, dict):
        drawn = ("id", "__id__", "ref", "viewId")
        return {key: settled(value) for key, value in content.items() if key not in drawn}
    return [settled(each) for each in content] if isinstance(content, list) else content


def grids(content: dict[str, Any]) -> list[dict[str, Any]]:
    return [block["metadata"] for block in content["blocks"] if block["type"] == "panel-grid"]


def test_the_specification_is_the_golden_one() -> None:
    """After a change that is meant: write settled(specification(TOLD, "p", "me")) to the file and read it."""
    assert settled(specification(TOLD, "p", "me")) == json.loads(GOLDEN.read_text())


def test_every_arm_is_a_run_set_of_its_own_trials() -> None:
    coherence, accuracy, figures = grids(specification(TOLD, "p", None))
    for grid in (coherence, accuracy):
        wanted = [
            {each["key"]["name"]: each["value"] for each in runs["filters"]["filters"]} for runs in grid["runSets"]
        ]
        assert wanted == [{"group": "demo", "jobType": "trial", "arm": arm} for _, arm in TOLD.arms]
    assert figures["runSets"][0]["filters"]["filters"][1]["value"] == "overview"
    keys = [panel["config"].get("metrics") for panel in coherence["panelBankSectionConfig"]["panels"]]
    assert ["probe/all/m_coherence"] in keys


def test_many_arms_are_one_run_set_grouped_by_what_tells_them_apart() -> None:
    many = Told("demo", "", 99, "s", [(f"arm {k}", f"{k:08x}") for k in range(MOST_ARMS + 1)], ["lr"], [])
    for grid in grids(specification(many, "p", "me"))[:2]:
        (runs,) = grid["runSets"]
        assert [each["name"].split(".")[0] for each in runs["grouping"]] == ["lr"]


def test_a_table_keeps_its_columns_whatever_the_claims_say() -> None:
    *_, row = claims_table([CLAIM]).splitlines()
    assert row == "| real-beats-random | MLP \\| 8 | real minus random | supported | 2.0 [1.5, 2.5] | 3 |"


def test_what_is_told_is_read_from_the_store(tmp_path: Path) -> None:
    store = create_store(tmp_path / "results")
    specs = [tiny(seed).model_copy(update={"batch_size": size}) for size in (64, 32) for seed in (0, 1)]
    record_sweep(store, "pair", {trial_id(spec): spec for spec in specs}, TEXT)
    found = told(store.root, "pair", [CLAIM])
    assert (found.trials, found.question) == (4, "Why?")
    assert [name for name, _ in found.arms] == ["batch_size 64", "batch_size 32"]
    assert len({arm for _, arm in found.arms}) == 2
    with pytest.raises(UserError, match="no sweep 'pear'; it has: pair"):
        told(store.root, "pear", [])


def test_what_tells_trials_apart() -> None:
    configs = [{"seed": s, "trial_id": str(s), "arm": "x", "lr": lr, "widths": [8]} for s in (0, 1) for lr in (1, 2)]
    assert telling(configs) == ["lr"]
    assert telling(configs[:1]) == []
    assert arm_name(configs[0], ["lr"]) == "lr 1"
    assert arm_name(configs[0], []) == "all trials"


def test_a_report_is_saved_on_the_stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with serving() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.address)
        monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
        where = save(TOLD, "p", "me")
    (view,) = server.views
    assert where.startswith(f"{server.address}/me/p/reports/")
    assert (view["entityName"], view["projectName"], view["type"]) == ("me", "p", "runs")
    assert settled(json.loads(view["spec"])) == json.loads(GOLDEN.read_text())


def test_no_key_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    with pytest.raises(TrackingError) as caught:
        save(TOLD, "p", "me")
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="--entity"):
        save(TOLD, "p", None)
