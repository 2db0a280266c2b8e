"""Runs in W&B while trials train; and that nothing which W&B does reaches a trial."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from orchestrator import cli
from orchestrator.observer import Quiet
from orchestrator.tracking import follow
from orchestrator.tracking.live import FINISH_VARIABLE, Followed, Live
from tests.orchestrator.wandb_file import OfflineRun, read_run
from tests.orchestrator.wandb_server import serving

SWEEP = """
name: pair
description: Two seeds of a small network.
axes:
  seed: {range: [0, 2]}
fixed:
  dataset: digits
  model: {name: mlp, widths: [8]}
  optimizer: {name: sgd, lr: 0.1}
  batch_size: 64
  epochs: 1
"""

NOTHING_ELSE = "\nSettings = dict\ndef teardown(): pass"
BROKEN = {
    "absent": "raise ModuleNotFoundError(\"No module named 'wandb'\")",
    "raising": "def init(**given):\n    raise RuntimeError('no\\nway')" + NOTHING_ELSE,
    "hanging": "import time\ntime.sleep(600)",
    "full": "def init(**given):\n    raise OSError(28, 'No space left on device')" + NOTHING_ELSE,
    "dying": "import os\nos._exit(7)",
}


class Heard(Quiet):
    """An observer that keeps what is said."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    @property
    def warnings(self) -> list[str]:
        return [text for text in self.notes if text.startswith("warning")]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where commands run, without anybody's key."""
    (tmp_path / "pair.yaml").write_text(SWEEP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    return tmp_path


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Tables of the sweep, run without W&B."""
    place = tmp_path_factory.mktemp("plain")
    (place / "pair.yaml").write_text(SWEEP)
    assert cli.main(["run", str(place / "pair.yaml"), "--local", "--store", str(place / "results")]) == 0
    found = rows(place / "results")
    assert len(found) >= 10
    return found


def rows(store: Path) -> dict[str, Any]:
    """Everything that a trial leaves, by file."""
    tables = ("steps", "layers", "evals", "examples", "digests")
    return {
        str(path.relative_to(store)): pq.read_table(path).to_pylist()
        for table in tables
        for path in sorted(store.glob(f"{table}/*/*.parquet"))
    }


def offline_runs(store: Path) -> list[OfflineRun]:
    return [read_run(path) for path in sorted((store / "wandb").glob("offline-run-*/run-*.wandb"))]


def replace_wandb(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Let every process that starts from now on find this in place of W&B."""
    (folder / "instead" / "wandb").mkdir(parents=True)
    (folder / "instead" / "wandb" / "__init__.py").write_text(text)
    before = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    here = str(Path(cli.__file__).parents[1])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder / "instead"), *before, here]))


def test_every_trial_is_a_live_run_and_the_sweep_an_overview(
    folder: Path, plain: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["run", "pair.yaml", "--local", "--wandb", "online"]) == 0
    assert "kept offline" in capfd.readouterr().err
    assert rows(folder / "results") == plain
    runs = offline_runs(folder / "results")
    live, overviews = [run for run in runs if run.job == "live"], [run for run in runs if run.job == "overview"]
    trials = {path.name for path in (folder / "results" / "trials").iterdir()}
    assert {run.identity.split("-live-")[0] for run in live} == trials
    assert len(live) == 2
    for run in live:
        assert (run.group, run.exit_code) == ("pair", 0)
        assert {"pair", "mlp", "digits"} <= set(run.tags)
        assert run.config["model_widths"] == [8]
        assert run.config["provenance"]["versions"]["torch"]
        assert run.config["store"] == str(folder / "results")
        assert run.metrics["probe/*"] == "step"
        steps = [point["step"] for point in run.history]
        assert steps == sorted(set(steps))
        assert "online/all/alpha" in run.history[0]
        assert run.history[0]["online-layers/alpha_q0"] <= run.history[0]["online-layers/alpha_q100"]
        assert run.summary["outcome"] == "completed"
        assert "final_test_accuracy" in run.summary
    assert len({run.config["arm"] for run in live}) == 1
    (overview,) = overviews
    assert overview.summary["done"] == 2
    assert overview.config["definition"] == SWEEP
    assert any(key.startswith("figures/") for key in overview.history[0])
    assert any(key.startswith("claims") for key in overview.history[0])


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_wandb_costs_a_trial_nothing(
    kind: str,
    folder: Path,
    plain: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    replace_wandb(folder, monkeypatch, BROKEN[kind])
    monkeypatch.setenv(FINISH_VARIABLE, "1")
    monkeypatch.setattr("orchestrator.tracking.live.OVERVIEW_S", 5.0 if kind != "hanging" else 1.0)
    began = time.monotonic()
    assert cli.main(["run", "pair.yaml", "--local", "--wandb", "offline"]) == 0
    assert time.monotonic() - began < 60
    assert rows(folder / "results") == plain
    said = capfd.readouterr().err
    assert said.count("live view is incomplete") == 1
    assert "Traceback" not in said
    assert offline_runs(folder / "results") == []


def test_a_follower_that_does_not_listen_blocks_nobody(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_wandb(folder, monkeypatch, BROKEN["hanging"])
    monkeypatch.setenv(FINISH_VARIABLE, "0.1")
    (folder / "results").mkdir()
    heard = Heard()
    with Followed(Live(str(folder / "results"), "pair", "offline", "p"), heard, folder / "results") as followed:
        for number in range(20_000):
            followed.started(f"{number:012x}")
    assert len(heard.warnings) == 1
    assert "coherence wandb push pair" in heard.warnings[0]


def test_a_busy_server_is_waited_for_by_the_follower_alone(
    folder: Path, plain: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving() as server:
        server.busy = 2
        monkeypatch.setenv("WANDB_BASE_URL", server.address)
        monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
        assert cli.main(["run", "pair.yaml", "--local", "--wandb", "online", "--wandb-entity", "me"]) == 0
    assert rows(folder / "results") == plain
    assert server.busy == 0
    live = [run for run in server.runs if run.get("jobType") == "live"]
    assert len({run["name"] for run in live}) == 2
    assert all(server.streams[run["name"]]["wandb-history.jsonl"] for run in live)
    assert "0" * 40 not in str(server.runs) + str(server.streams)


def test_what_is_misused_writes_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", "pair.yaml", "--local", "--wandb", "sometimes"]) == 2
    assert "given 'sometimes', expected offline or online" in capsys.readouterr().err
    assert not (folder / "results").exists()


def test_lines_come_as_they_are_and_looks_between() -> None:
    read, write = os.pipe()
    with os.fdopen(write, "wb", buffering=0) as sender:
        found = follow.lines(read, 0.01)
        sender.write(b"started a \nfini")
        assert next(line for line in found if line is not None) == "started a "
        assert next(found) is None
        sender.write(b"shed a completed\n")
        assert next(line for line in found if line is not None) == "finished a completed"
    assert [line for line in found if line is not None] == []
    os.close(read)


def test_the_fixture_of_broken_packages_is_found_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were the real one found, the tests of broken ones would show nothing."""
    replace_wandb(folder, monkeypatch, "marked = True")
    said = subprocess.check_output([sys.executable, "-c", "import wandb; print(wandb.marked)"], text=True)
    assert said.strip() == "True"
