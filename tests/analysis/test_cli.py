import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from analysis.cli import draw_figures, headline, register, write_report
from analysis.figures import FIGURES
from tests.analysis.made_up import NONE, Effects, MadeUp, grid, new_store, write
from trainables.plugins import Registry
from trainables.spec import trial_id

EFFECTS = Effects(steps=(0, 50, 125), examples=10)
SPECS = grid(corruptions=(NONE,))
APP = typer.Typer()
register(APP, lambda sweeps, *_: {name: [] for name in sweeps})


def _run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(APP, [str(argument) for argument in arguments])
    return result.exit_code, result.stdout, result.stderr


def test_figures_and_claims_of_a_store(tmp_path: Path) -> None:
    store = write(tmp_path / "store", MadeUp(specs=SPECS, effects=EFFECTS))
    code, out, err = _run("figures", "--store", store)
    assert code == 0
    drawn = [name for name in FIGURES if f"{name}.png" in out]
    assert {"coherence-vs-step", "coherence-vs-loss", "coherence-by-layer"} <= set(drawn)
    assert not {"accuracy-by-aggregator", "learning-speed", "linear-example"} & set(drawn)
    assert err.count("skipped ") == len(FIGURES) - len(drawn)
    written = {path.name for path in (store / "figures" / "demo").iterdir()}
    assert written == {f"{name}.{kind}" for name in drawn for kind in ("png", "svg", "parquet", "csv")}
    code, out, _ = _run("claims", "demo", "--json", "--store", store)
    assert code == 0
    verdicts = {claim["name"]: {row["verdict"] for row in claim["rows"]} for claim in json.loads(out)["claims"]}
    assert verdicts["real-above-random-early"] == verdicts["robust-memorises-less"] == {"not measured"}
    assert verdicts["near-m-at-first"] == {"contradicted"}
    assert len(_run("claims", "--short", "--store", store)[1].splitlines()) == len(verdicts)
    assert _run("claims", "--store", store)[0] == 0


@pytest.fixture
def one_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes most of the time: one figure stands for all."""
    alone = Registry(
        (), {"coherence-vs-loss": FIGURES["coherence-vs-loss"]}, lambda plugin, _: pytest.fail(plugin.name)
    )
    monkeypatch.setattr("analysis.gallery.FIGURES", alone)


@pytest.mark.usefixtures("one_figure")
def test_figures_drawn_once_serve_the_report(tmp_path: Path) -> None:
    store = write(tmp_path / "store", MadeUp(specs=SPECS, effects=EFFECTS))
    figures = draw_figures(store, None, tmp_path / "pictures")
    assert (tmp_path / "pictures" / "coherence-vs-loss.svg").is_file()
    assert write_report(store, "demo", figures).path == store / "reports" / "demo.html"
    assert len(headline(store)) == 3
    assert not (store / "figures").exists()
    drawn_again = _run("report", "demo", "--store", store)
    assert drawn_again[:2] == (0, f"{store / 'reports' / 'demo.html'}\n")
    assert (store / "reports" / "demo.html").stat().st_size > 100_000


@pytest.mark.usefixtures("one_figure")
@pytest.mark.parametrize("verb", [("figures",), ("claims",), ("report", "demo")])
def test_damage_is_named_and_the_exit_is_one(tmp_path: Path, verb: tuple[str, ...]) -> None:
    store = write(tmp_path / "store", MadeUp(specs=SPECS, effects=EFFECTS))
    part = store / "evals" / trial_id(SPECS[0]) / "part-0.parquet"
    part.write_bytes(part.read_bytes()[:-20])
    code, _, err = _run(*verb, "--store", store)
    assert code == 1
    assert f"damaged: {part}: " in err


def _no_store(tmp_path: Path) -> list[object]:
    return ["figures", "--store", tmp_path / "nowhere"]


def _newer(tmp_path: Path) -> list[object]:
    return ["claims", "--store", new_store(tmp_path / "store", 99)]


def _no_sweep(tmp_path: Path) -> list[object]:
    return ["figures", "--store", new_store(tmp_path / "store")]


def _unknown_sweep(tmp_path: Path) -> list[object]:
    return ["report", "dmeo", "--store", write(tmp_path / "store", MadeUp(specs=SPECS[:1], effects=EFFECTS))]


def _path_as_sweep(tmp_path: Path) -> list[object]:
    return ["claims", "../store", "--store", write(tmp_path / "store", MadeUp(specs=SPECS[:1], effects=EFFECTS))]


def _two_sweeps(tmp_path: Path) -> list[object]:
    for name in ("demo", "other"):
        write(tmp_path / "store", MadeUp(name=name, specs=SPECS[:1], effects=EFFECTS))
    return ["claims", "--store", tmp_path / "store"]


def _nothing_completed(tmp_path: Path) -> list[object]:
    made_up = MadeUp(specs=SPECS[:1], effects=EFFECTS, skipped=frozenset({0}))
    return ["figures", "--store", write(tmp_path / "store", made_up)]


def _out_is_a_file(tmp_path: Path) -> list[object]:
    (tmp_path / "taken").write_text("")
    store = write(tmp_path / "store", MadeUp(specs=SPECS[:1], effects=EFFECTS))
    return ["figures", "--store", store, "--out", tmp_path / "taken"]


@pytest.mark.parametrize(
    "mistake",
    [_no_store, _newer, _no_sweep, _unknown_sweep, _path_as_sweep, _two_sweeps, _nothing_completed, _out_is_a_file],
)
def test_misuse_is_one_line_and_writes_nothing(tmp_path: Path, mistake: object) -> None:
    assert callable(mistake)
    arguments = mistake(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    code, out, err = _run(*arguments)
    assert (code, out) == (2, "")
    assert len(err.strip().splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("verb", ["figures", "claims", "report"])
def test_help_ends_with_an_example(verb: str) -> None:
    code, out, _ = _run(verb, "--help")
    assert code == 0
    assert re.search(rf"Example:\s+coherence {verb}", out)


def test_reading_needs_nothing_that_trains(tmp_path: Path) -> None:
    """Figures are redrawn where torch, ray and wandb are not installed; help needs no plotting either."""
    store = write(tmp_path / "store", MadeUp(specs=SPECS[:1], effects=EFFECTS))
    forbidden = ("torch", "torchvision", "ray", "wandb", "numba", "sklearn", "mlxtend", "orchestrator")
    code = (
        "import sys\n"
        f"for name in {forbidden!r}: sys.modules[name] = None\n"
        "import analysis.cli, analysis.figures, analysis.claims\n"
        "assert not {'matplotlib', 'scipy', 'polars', 'jinja2'} & set(sys.modules)\n"
        "from pathlib import Path\n"
        "import analysis.gallery\n"
        "del analysis.gallery.FIGURES['coherence-by-layer']\n"
        f"figures = analysis.cli.draw_figures(Path({str(store)!r}))\n"
        "assert figures.drawn\n"
        f"analysis.cli.write_report(Path({str(store)!r}), None, figures)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
