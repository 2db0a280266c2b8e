"""Documentation under test: the README's sweep, commands and snippets run; the store page names every column."""

import json
import re
import shlex
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
from typer.testing import CliRunner

from orchestrator import reference
from orchestrator.cli import command
from orchestrator.load import parse_sweep
from orchestrator.new import KINDS
from orchestrator.sweep import Sweep
from orchestrator.yaml_file import parse_yaml
from tests.pages import PAGES, blocks_of
from trainables.gradients.support import RULES
from trainables.instruments import CHOSEN
from trainables.models import MODELS
from trainables.plugins import KINDS as PUBLISHED
from trainables.records import SCHEMAS
from trainables.spec import TrialSpec

ROOT = Path(__file__).parents[1]


def blocks(page: str, language: str) -> list[str]:
    return [block.text for block in blocks_of(page, language)]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A folder in which the README's own sweep has been run by the README's own commands, without Ray."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "label-noise.yaml").write_text(blocks("README.md", "yaml")[0])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for line in commands():
            arguments = [*line, "--local"] if line[0] == "run" else line
            result = CliRunner().invoke(command(), arguments)
            assert result.exit_code == 0, (line, result.output)
    return folder


def commands() -> list[list[str]]:
    lines = [line.partition("#")[0].split() for block in blocks("README.md", "sh") for line in block.splitlines()]
    return [line[1:] for line in lines if line and line[0] == "coherence"]


def test_the_readme_shows_five_commands_to_feel_at_home():
    assert [line[0] for line in commands()] == ["plan", "run", "status", "figures", "report"]


def test_the_readme_commands_leave_what_they_promise(results):
    assert len(list((results / "results/trials").rglob("*.parquet"))) == 12
    assert list((results / "results/figures/label-noise").glob("*.png"))
    assert (results / "results/reports/label-noise.html").stat().st_size > 10_000


@pytest.mark.parametrize("page", [page for page in PAGES if blocks_of(page, "python")])
def test_python_snippets_run(page, results, monkeypatch, capsys):
    """Each by itself, beside the store of the README's sweep, in a module of its own."""
    monkeypatch.chdir(results)
    for snippet in blocks(page, "python"):
        module = ModuleType("snippet")
        monkeypatch.setitem(sys.modules, "snippet", module)
        exec(compile(snippet, page, "exec"), module.__dict__)


def test_three_readers_give_the_same_numbers(results, monkeypatch, capsys):
    monkeypatch.chdir(results)
    found = {}
    for snippet in blocks("docs/reading.md", "python"):
        exec(compile(snippet, "docs/reading.md", "exec"), found)
    for name in ("curve", "memorised"):
        by_polars = found[f"polars_{name}"].rows()
        by_pandas = list(found[f"pandas_{name}"].items())
        assert len(by_polars) >= 1
        assert by_polars == [(key, pytest.approx(value)) for key, value in by_pandas]
        assert by_polars == [(key, pytest.approx(value)) for key, value in found[f"duckdb_{name}"]]


def test_the_notebook_runs_from_top_to_bottom(results, monkeypatch, capsys):
    monkeypatch.chdir(results)
    cells = json.loads((ROOT / "docs/reading.ipynb").read_text())["cells"]
    found = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            exec(compile("".join(cell["source"]), "docs/reading.ipynb", "exec"), found)
    assert {"real-above-random-early", "robust-memorises-less"} & {name for name, _, _ in found["measured"]}


def test_the_plans_of_the_running_page_are_made(tmp_path):
    lines = [
        shlex.split(line, comments=True) for block in blocks("docs/running.md", "sh") for line in block.splitlines()
    ]
    plans = [line[1:] for line in lines if line[:2] == ["coherence", "plan"]]
    assert plans
    for plan in plans:
        result = CliRunner().invoke(command(), [*plan, "--store", str(tmp_path / "none")])
        assert result.exit_code == 0, (plan, result.output)


def test_make_targets_named_in_the_readme_exist():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make ([a-z-]+)$", "\n".join(blocks("README.md", "sh")), re.MULTILINE):
        assert f"\n{target}:" in makefile


def test_the_store_page_names_every_table_and_column():
    page = (ROOT / "docs/store.md").read_text()
    for table, schema in SCHEMAS.items():
        section = page.split(f"## `{table}`")[1].split("\n## ")[0]
        for field in schema:
            assert f"| `{field.name}` | {field.type} |" in section, (table, field.name)


def test_the_sweep_page_names_every_key_and_field():
    page = (ROOT / "docs/sweeps.md").read_text()
    for key in [*Sweep.model_fields, *TrialSpec.model_fields]:
        assert f"`{key}`" in page or key == "version", key


def test_the_running_page_shows_a_sweep_with_early_stopping():
    [text] = [block for block in blocks("docs/running.md", "yaml") if "early_stopping" in block]
    assert parse_sweep(text, "docs/running.md").sweep.early_stopping is not None


def test_the_estimator_page_has_a_row_for_every_supported_layer():
    page = (ROOT / "docs/estimators.md").read_text()
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == [kind.__name__ for kind in RULES]


def test_the_instrument_page_has_a_row_for_every_instrument_with_its_quantities():
    page = (ROOT / "docs/instruments.md").read_text()
    rows = dict(re.findall(r"^\| `([a-z-]+)` \| ([^|]+) \|", page, re.MULTILINE))
    assert list(rows) == list(CHOSEN)
    for name, quantities in rows.items():
        code = Path(import_module(CHOSEN[name].code.partition(":")[0]).__file__).read_text()
        for quantity in re.findall(r"`([a-z0-9-]+)`", quantities):
            assert f'"{quantity}"' in code, (name, quantity)


def test_the_page_of_registries_is_the_registries():
    assert (ROOT / "docs/registries.md").read_text() == reference.page()


def test_the_page_of_extending_names_every_kind():
    page = (ROOT / "docs/extending.md").read_text()
    for kind in KINDS:
        assert f"`{kind}`" in page
    for kind in PUBLISHED:
        assert f"`{kind}`" in page


def test_the_sweep_of_the_extending_page_in_five_lines_is_one():
    [text] = [block for block in blocks("docs/extending.md", "yaml") if "timm" in block]
    assert len(text.splitlines()) == 5
    assert list(parse_yaml(text, "docs/extending.md")) == ["name", "axes", "fixed"]


def test_the_sweep_page_names_every_model():
    page = (ROOT / "docs/sweeps.md").read_text().split("**Models.**")[1].split("\n\n")[0]
    assert [name for name in MODELS if f"`{name}`" not in page] == []
