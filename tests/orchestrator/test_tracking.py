"""The mirror in W&B: what a run shows, that nothing is sent twice, and that a failing W&B is one warning."""

import base64
import json
import shutil
import sys
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

from orchestrator.arms import flatten
from orchestrator.errors import UserError
from orchestrator.revisions import record_sweep
from orchestrator.store import Store, create_store
from orchestrator.tracking import door
from orchestrator.tracking import push as tracking
from orchestrator.tracking.ledger import Ledger
from orchestrator.tracking.mirror import POINTS, mirror, thin
from orchestrator.tracking.overview import Attachments
from orchestrator.tracking.pace import PAUSES_S, Pace
from tests.orchestrator.ray_session import tiny
from tests.orchestrator.wandb_file import OfflineRun, read_run
from tests.orchestrator.wandb_server import serving
from trainables.records import part_path, write_part
from trainables.spec import canonical_json, trial_id

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
STEPS = 2500
ID = trial_id(tiny(0))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A sweep of two trials, one of them finished, with a long training curve."""
    made = create_store(tmp_path / "results")
    record_sweep(made, "pair", {trial_id(tiny(seed)): tiny(seed) for seed in (0, 1)}, "name: pair\n")
    finish(made, 0)
    return made


def finish(store: Store, seed: int) -> None:
    """Write the tables of one finished trial."""
    spec = tiny(seed)
    identity = trial_id(spec)

    def write(table: str, rows: list[dict[str, Any]]) -> None:
        write_part(
            part_path(store.root, table, identity, 0),
            table,
            [{"trial_id": identity, **row} for row in rows],
            tag="test",
        )

    write("steps", [{"step": t, "epoch": t // 22, "lr": 0.1, "loss": 1 / (1 + t), "alpha": 0.5} for t in range(STEPS)])
    layer = {"step": 10, "estimator": "example", "k": 1, "layer_index": -1, "n": 100}
    write(
        "layers",
        [
            {**layer, "source": "probe", "group": "all", "layer": "*", "alpha": 0.25},
            {**layer, "source": "probe", "group": "all", "layer": "0", "layer_index": 0, "alpha": 0.75},
            {**layer, "source": "online", "group": "all", "layer": "*", "alpha": 0.5},
        ],
    )
    write("evals", [{"step": step, "split": "test", "loss": 1.0, "accuracy": step / STEPS} for step in (0, STEPS)])
    final = {
        "dataset": "digits",
        "model": "mlp",
        "corruption": "none",
        "aggregator": "mean",
        "seed": seed,
        "spec": canonical_json(spec),
        "outcome": "completed",
        "steps": STEPS,
        "final_test_accuracy": 0.9,
        "provenance": '{"host": "h"}',
    }
    write("trials", [final])


def offline_runs(store: Store) -> list[OfflineRun]:
    """Offline runs in the store."""
    return [read_run(path) for path in sorted((store.root / "wandb").glob("offline-run-*/run-*.wandb"))]


def test_an_offline_run_shows_config_curves_and_final_numbers(store: Store) -> None:
    assert tracking.push(store.root, "pair", "offline", "coherence", None) == 1
    (run,) = offline_runs(store)
    assert (run.identity, run.project, run.group, run.exit_code) == (ID, "coherence", "pair", 0)
    assert {"pair", "digits", "mlp", "completed"} <= set(run.tags)
    assert run.config["model"] == "mlp"
    assert run.config["model_widths"] == [8]
    assert run.config["optimizer_lr"] == 0.1
    assert run.config["dtype"] == "float32"
    assert run.config["provenance"] == {"host": "h"}
    assert run.summary["final_test_accuracy"] == 0.9
    assert run.summary["outcome"] == "completed"
    assert run.metrics["train/*"] == "step"


def test_curves_are_thinned_and_keep_what_is_rare(store: Store) -> None:
    points = mirror(store, ID).history
    by_step = {point["step"]: point for point in points}
    assert len(points) == POINTS
    assert list(by_step) == sorted(by_step)
    assert by_step[10]["probe/all/alpha"] == 0.25
    assert by_step[STEPS]["eval/test/accuracy"] == 1.0
    assert by_step[STEPS - 1]["train/loss"] == pytest.approx(1 / STEPS)
    assert by_step[10]["online/all/alpha"] == 0.5


def test_history_in_the_file_is_the_mirror(store: Store) -> None:
    tracking.push(store.root, "pair", "offline", "coherence", None)
    (run,) = offline_runs(store)
    sent = [{key: value for key, value in row.items() if not key.startswith("_")} for row in run.history]
    assert sent == mirror(store, ID).history


def test_a_second_push_sends_only_what_is_new(store: Store) -> None:
    assert [tracking.push(store.root, "pair", "offline", "coherence", None) for _ in range(2)] == [1, 0]
    finish(store, 1)
    assert tracking.push(store.root, "pair", "offline", "coherence", None) == 1
    assert sorted(run.identity for run in offline_runs(store)) == sorted(trial_id(tiny(seed)) for seed in (0, 1))


def test_layers_are_quantiles_whatever_their_number(store: Store) -> None:
    spec, identity = tiny(1), trial_id(tiny(1))
    layer = {
        "trial_id": identity,
        "step": 10,
        "source": "probe",
        "estimator": "example",
        "group": "all",
        "k": 1,
        "n": 9,
    }
    rows = [{**layer, "layer": str(k), "layer_index": k, "alpha": k / 100, "m_coherence": 1.0} for k in range(101)]
    write_part(part_path(store.root, "layers", identity, 0), "layers", rows, tag="test")
    write_part(
        part_path(store.root, "trials", identity, 0),
        "trials",
        [{"trial_id": identity, "model": "mlp", "seed": 1, "spec": canonical_json(spec), "outcome": "completed"}],
        tag="test",
    )
    (point,) = mirror(store, identity).history
    found = {key: value for key, value in point.items() if "alpha" in key}
    assert found == {f"probe-layers/alpha_q{q}": q / 100 for q in (0, 25, 50, 75, 100)}


def test_the_overview_is_sent_once_until_other_trials_are_done(store: Store) -> None:
    asked: list[Path] = []

    def attach(folder: Path) -> Attachments:
        asked.append(folder)
        (folder / "curve.png").write_bytes(PIXEL)
        row = {"claim": "c", "where": "w", "contrast": "a minus b", "verdict": "supported", "effect": 1.0, "n": 3}
        return Attachments({"curve": folder / "curve.png"}, [row])

    def sent() -> int:
        return tracking.push(store.root, "pair", "offline", "coherence", None, attach=attach)

    assert [sent(), sent()] == [2, 0]
    finish(store, 1)
    assert [sent(), sent()] == [2, 0]
    assert len(asked) == 2
    overviews = [run for run in offline_runs(store) if run.job == "overview"]
    assert sorted(run.summary["done"] for run in overviews) == [1, 2]
    assert overviews[0].group == "pair"
    assert overviews[0].config["definition"] == "name: pair\n"
    assert not any(folder.exists() for folder in asked)


def test_an_overview_alone(store: Store) -> None:
    def nothing(folder: Path) -> Attachments:
        return Attachments()

    assert tracking.push(store.root, "pair", "offline", "coherence", None, attach=nothing, trials=False) == 1
    assert [run.job for run in offline_runs(store)] == ["overview"]


def test_online_runs_are_begun_at_a_bounded_rate(store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    finish(store, 1)
    waited: list[float] = []
    with serving() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.address)
        monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
        monkeypatch.setenv("HOME", str(tmp_path))
        tracking.push(store.root, "pair", "online", "p", "me", per_minute=1, sleep=waited.append)
    assert len(waited) == 1
    assert 0 < waited[0] <= 60
    tracking.push(store.root, "pair", "offline", "p", "me", per_minute=1, sleep=waited.append)
    assert len(waited) == 1
    with pytest.raises(UserError, match="given 0, expected 1 or more"):
        tracking.push(store.root, "pair", "offline", "p", "me", per_minute=0)


@pytest.mark.parametrize("text", ["HTTP 429", "rate limit exceeded", "Too Many Requests"])
def test_a_refusal_for_the_rate_is_waited_out(text: str) -> None:
    pauses: list[float] = []
    left = [RuntimeError(text)] * 3

    def work() -> None:
        if left:
            raise left.pop()

    Pace(60.0, clock=lambda: 0.0, sleep=pauses.append).send(work)
    assert [pause for pause in pauses if pause in PAUSES_S] == list(PAUSES_S[:3])


def test_other_failures_and_endless_refusals_are_raised() -> None:
    def fail(error: Exception) -> None:
        raise error

    pauses: list[float] = []
    pace = Pace(60.0, clock=lambda: 0.0, sleep=pauses.append)
    with pytest.raises(ValueError, match="4290"):
        pace.send(lambda: fail(ValueError("step 4290 is not a step")))
    assert not set(pauses) & set(PAUSES_S)
    with pytest.raises(RuntimeError, match="429"):
        pace.send(lambda: fail(RuntimeError("HTTP 429")))
    assert [pause for pause in pauses if pause in PAUSES_S] == list(PAUSES_S)


@pytest.mark.parametrize(
    ("environment", "netrc", "found"),
    [
        ({"WANDB_API_KEY": "k"}, "", True),
        ({}, "machine api.wandb.ai login user password k", True),
        ({"WANDB_BASE_URL": "http://here:1"}, "machine api.wandb.ai login user password k", False),
        ({"WANDB_BASE_URL": "http://here:1"}, "machine here login user password k", True),
        ({}, "machine", False),
        ({}, None, False),
    ],
)
def test_a_key_is_looked_for_where_the_client_does(
    environment: dict[str, str], netrc: str | None, found: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("WANDB_API_KEY", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    if netrc is not None:
        (tmp_path / "netrc").write_text(netrc)
        (tmp_path / "netrc").chmod(0o600)
    assert door.has_key() is found


def test_a_push_that_broke_off_is_repeated_without_leftovers(store: Store) -> None:
    left = store.root / "wandb" / f"offline-run-20200101_000000-{ID}"
    left.mkdir(parents=True)
    (left / f"run-{ID}.wandb").write_bytes(b"half a run")
    assert tracking.push(store.root, "pair", "offline", "coherence", None) == 1
    assert not left.exists()
    assert len(offline_runs(store)) == 1


def test_an_online_push_reaches_the_server(store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with serving() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.address)
        monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
        monkeypatch.setenv("HOME", str(tmp_path))
        assert tracking.push(store.root, "pair", "online", "coherence", "me") == 1
        assert tracking.push(store.root, "pair", "online", "coherence", "me") == 0
    assert {run["name"] for run in server.runs} == {ID}
    assert server.runs[0]["groupName"] == "pair"
    history = [json.loads(line) for line in server.streams[ID]["wandb-history.jsonl"]]
    assert len(history) == POINTS
    assert json.loads(server.streams[ID]["wandb-summary.json"][-1])["final_test_accuracy"] == 0.9
    assert not list((store.root / "wandb").glob("run-*"))


def test_a_raising_wandb_is_one_warning_and_leaves_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    import wandb

    def broken(**given: Any) -> None:
        raise wandb.errors.CommError("the server\nis down")

    monkeypatch.setattr(wandb, "init", broken)
    with pytest.raises(door.TrackingError, match=r"W&B took 0 of 1 runs: CommError: the server is down") as caught:
        tracking.push(store.root, "pair", "offline", "coherence", None)
    assert caught.value.pushed == 0
    assert "\n" not in str(caught.value)
    assert Ledger(store.root).read() == set()


def test_a_missing_wandb_says_how_to_get_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(door.TrackingError, match=r"pip install 'gradient-coherence\[sweep\]'"):
        tracking.push(store.root, "pair", "offline", "coherence", None)


def test_a_missing_key_is_a_warning_and_no_question(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(door.TrackingError, match="No API key configured"):
        tracking.push(store.root, "pair", "online", "coherence", None)


def test_a_full_disk_is_a_warning(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(100, 100, 0))
    with pytest.raises(door.TrackingError, match="only 0 KiB are free"):
        tracking.push(store.root, "pair", "offline", "coherence", None)
    assert offline_runs(store) == []


def test_nothing_reaches_the_terminal(store: Store, capfd: pytest.CaptureFixture[str]) -> None:
    tracking.push(store.root, "pair", "offline", "coherence", None)
    assert capfd.readouterr() == ("", "")


def test_an_unknown_sweep_is_refused_by_name(store: Store) -> None:
    with pytest.raises(UserError, match="no sweep 'pear'; it has: pair"):
        tracking.push(store.root, "pear", "offline", "coherence", None)


def test_the_ledger_forgives_a_line_cut_short(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.add(("offline", "p", None, "a"))
    with (tmp_path / "wandb" / "pushed.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"mode": "offl')
    ledger.add(("online", "p", "e", "b"))
    assert ledger.read() == {("offline", "p", None, "a"), ("online", "p", "e", "b")}


@pytest.mark.parametrize(
    ("content", "flat"),
    [
        ({"model": {"name": "mlp", "widths": [1, 2]}}, {"model": "mlp", "model_widths": [1, 2]}),
        ({"measure": {"probe": None, "online": {"every": 1}}}, {"measure_probe": None, "measure_online_every": 1}),
        ({"name": "x"}, {"name": "x"}),
    ],
)
def test_flatten(content: dict[str, Any], flat: dict[str, Any]) -> None:
    assert flatten(content) == flat


@pytest.mark.parametrize(
    ("count", "limit", "expected"),
    [(3, 5, [0, 1, 2]), (5, 3, [0, 2, 4]), (10, 2, [0, 9]), (0, 4, []), (7, 1, [0])],
)
def test_thin_keeps_both_ends(count: int, limit: int, expected: list[int]) -> None:
    assert thin(range(count), limit) == expected
