"""`coherence new`: every kind's package passes its own tests as written, and is understood once it is installed."""

import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from orchestrator.cli import main
from orchestrator.new import KINDS
from tests.plugins.stub import ROOT, coherence, environment, install

EXAMPLE = ROOT / "docs/examples/coherence-extras"
EVERY = pytest.mark.parametrize("kind", KINDS)


def name_of(kind: str) -> str:
    return f"my-{kind}"


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package of every kind, written by the command."""
    folder = tmp_path_factory.mktemp("packages")
    for kind in KINDS:
        assert main(["new", kind, name_of(kind), "--out", str(folder / kind)]) == 0
    return folder


@pytest.fixture(scope="module")
def results(packages: Path) -> dict[str, list[tuple[str, bool]]]:
    """Kind, or `example` -> (test, whether it passed) of the packages' own tests and of the worked example's, run in
    one process: nothing is installed."""
    report = packages / "report.xml"
    tests = [*(str(packages / kind / "tests") for kind in KINDS), str(EXAMPLE / "tests")]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", *tests]
    sites = (*(packages / kind for kind in KINDS), EXAMPLE)
    done = subprocess.run(command, cwd=packages, env=environment(*sites), capture_output=True, text=True, check=False)
    assert report.exists(), done.stdout + done.stderr
    sys.stdout.write(done.stdout)
    modules = {f"test_coherence_my_{kind}": kind for kind in KINDS} | {"test_coherence_extras": "example"}
    found: dict[str, list[tuple[str, bool]]] = {kind: [] for kind in modules.values()}
    for case in ET.parse(report).iter("testcase"):
        kind = next(kind for module, kind in modules.items() if module in case.attrib["classname"])
        found[kind].append((case.attrib["name"], not len(case)))
    return found


@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", [*KINDS, "example"])
def test_the_template_passes_its_own_contract_as_written(results: dict[str, list[tuple[str, bool]]], kind: str) -> None:
    assert len(results[kind]) >= 4
    assert [name for name, passed in results[kind] if not passed] == []


@pytest.fixture(scope="module")
def site(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of them, installed."""
    site = tmp_path_factory.mktemp("site")
    for kind in KINDS:
        install(packages / kind, site)
    return site


SWEEP = """
name: own
axes: {aggregator: [mean, my-aggregator]}
fixed:
  dataset: {name: my-dataset, train: 20}
  model: my-model
  corruption: {name: my-corruption, fraction: 0.5}
  optimizer: {name: my-optimizer, lr: 0.1}
  batch_size: 10
  epochs: 1
  seed: 0
measure: {probe: {examples: 40}, instruments: [my-metric, my-instrument]}
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_sweep_made_of_nothing_else_runs_is_drawn_and_judged(site: Path, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(SWEEP)
    sink = f"{{name: my-sink, folder: '{tmp_path / 'rows'}'}}"
    ran = coherence("run", "own.yaml", "--local", "--sink", sink, sites=(site,), cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert ", 0 failed" in ran.stderr
    assert len(list((tmp_path / "rows").glob("*-0.txt"))) == 2
    drawn = coherence("figures", "own", "--only", "my-figure", sites=(site,), cwd=tmp_path)
    assert drawn.returncode == 0
    assert (tmp_path / "results/figures/own/my-figure.png").exists(), drawn.stderr
    judged = coherence("claims", "own", "--short", sites=(site,), cwd=tmp_path)
    assert judged.returncode == 0
    assert judged.stdout.splitlines()[-1].startswith("my-claim")


REFUSED = {
    "an unknown kind": (["modle", "x"], "unknown kind 'modle'. Did you mean 'model'?"),
    "a name with capitals": (["model", "MyNet"], "given the name 'MyNet', expected words of a-z"),
    "a path for a name": (["model", "../x"], "given the name '../x'"),
    "an empty name": (["model", ""], "given the name ''"),
    "a name too long": (["model", "x" * 41], "at most 40 characters"),
    "a built-in name": (["model", "lenet"], "there is a model 'lenet' already"),
    "a built-in instrument as a metric": (["metric", "noise-scale"], "there is a metric 'noise-scale' already"),
    "a built-in figure": (["figure", "settings"], "there is a figure 'settings' already"),
    "a folder that exists": (["model", "x", "--out", "here"], "here exists already"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_meant_is_one_line_and_nothing_is_written(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    arguments, says = REFUSED[case]
    assert main(["new", *arguments]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert len(said.splitlines()) == 1
    assert [path.name for path in tmp_path.rglob("*")] == ["here"]


@EVERY
def test_nothing_is_left_to_fill_in(packages: Path, kind: str) -> None:
    for path in (packages / kind).rglob("*"):
        assert path.is_dir() or "@" not in path.read_text().replace("@metric", "").replace("@property", ""), path
