"""Every fenced block of the README and docs/ is of a known kind and is what it says that it is."""

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from orchestrator.cli import command
from orchestrator.errors import UserError
from orchestrator.load import parse_sweep
from orchestrator.sweep import Sweep
from orchestrator.yaml_file import parse_yaml
from tests.pages import PAGES, ROOT, Block, blocks_of, every_block, text_of
from tests.shell_lines import WrongCommandError, check, commands
from trainables.records import SCHEMAS
from trainables.spec import TrialSpec

ELSEWHERE = {
    "photos": "timm and a folder of images are not at hand: its keys alone",
    "mine": "names code: run below",
}
BASE: dict[str, Any] = {
    "name": "block",
    "fixed": {
        "dataset": "digits",
        "model": {"name": "mlp", "widths": [8]},
        "corruption": {"name": "permuted-labels", "fraction": 0.5},
        "optimizer": {"name": "sgd", "lr": 0.1},
        "batch_size": 32,
        "epochs": 1,
        "seed": 0,
    },
}


def check_shell(block: Block) -> None:
    earlier: list[list[str]] = []
    for words in commands(block.text):
        check(words, earlier)
        earlier.append(words)


def check_sweep(block: Block) -> None:
    """A whole sweep as it stands; some keys of one, or some axes, put into a small one."""
    content = parse_yaml(block.text, str(block))
    if {"name", "fixed"} <= set(content):
        assert set(content) <= set(Sweep.model_fields)
        if content["name"] not in ELSEWHERE:
            assert parse_sweep(block.text, str(block)).specs
        return
    if set(content) <= set(Sweep.model_fields):
        whole: dict[str, Any] = {**BASE, **content}
    else:
        assert set(content) <= set(TrialSpec.model_fields)
        rest = {key: value for key, value in BASE["fixed"].items() if key not in content}
        whole = {**BASE, "fixed": rest, "axes": content}
    assert parse_sweep(yaml.safe_dump(whole, sort_keys=False), str(block)).specs


def check_tree(block: Block) -> None:
    """Folders of the repository, or of a store: each is one."""
    if block.page == "README.md":
        names = re.findall(r"^([a-z]+)/ ", block.text, re.MULTILINE)
        assert len(names) == len(block.text.splitlines())
        assert all((ROOT / name).is_dir() for name in names)
    elif block.page == "docs/store.md":
        assert "<store>/<table>/<trial_id>/part-<k>.parquet" in block.text
        assert "sweeps" in SCHEMAS
    elif block.page == "docs/running.md":
        assert block.text.split()[0] in ("slow:", "trial", "sweeps:"), "how a screen, `show` and `diff` begin"
    else:
        assert block.page == "docs/tutorial.md", "what a command says: checked where the tutorial is run"


KINDS: dict[str, Callable[[Block], Any]] = {
    "sh": check_shell,
    "yaml": check_sweep,
    "python": lambda block: compile(block.text, str(block), "exec"),  # run by test_docs
    "json": lambda block: json.loads(block.text),
    "text": check_tree,
}


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_what_it_says(page: str) -> None:
    for block in blocks_of(page):
        assert block.kind in KINDS, f"{block}: a block of kind {block.kind!r}, expected one of {', '.join(KINDS)}"
        try:
            KINDS[block.kind](block)
        except Exception as error:
            raise AssertionError(f"{block}: {error}") from error


def test_no_code_is_shown_by_indenting_it() -> None:
    """Such code has no kind, and nothing would check it."""
    for page in PAGES:
        assert not re.search(r"\n\n {4}(?:coherence|make|python|ray|pip|cd) ", text_of(page)), page


WRONG = [
    "coherence rum demo",
    "coherence plan",
    "coherence run demo --lokal",
    "coherence run demmo",
    "coherence run demo --workers many",
    "coherence figures demo --only no-such-figure",
    "coherence run --for no-such-figure",
    "coherence run demo --until no-such-claim --width 1 --budget 1",
    "coherence wandb pull demo",
    "make no-such-target",
    "ray exec cluster.yaml 'coherence run demo --addres auto'",
    "python -m benchmarks.no_such",
    "python -m benchmarks.probe --no-such 1",
    "pip install --no-such-option .",
    "pip install -r no-such-file.txt",
    "cd no-such-folder",
    "curl anything",
]


@pytest.mark.parametrize("line", WRONG)
def test_a_wrong_command_is_found(line: str) -> None:
    with pytest.raises(WrongCommandError):
        check_shell(Block("page", 1, "sh", line))


@pytest.mark.parametrize("text", ["axes: {no-such-field: [1]}", "no-such-key: 1", "measure: {probe: {example: 10}}"])
def test_a_wrong_sweep_is_found(text: str) -> None:
    with pytest.raises(Exception, match=r"no-such|example|set"):
        check_sweep(Block("page", 1, "yaml", text))


def test_verbs_named_in_running_text_exist() -> None:
    from typer.main import get_command

    verbs = get_command(command()).commands
    for page in PAGES:
        for words in re.findall(r"`coherence ([a-z]+)[^`]*`", text_of(page)):
            assert words in verbs, (page, words)


def test_the_file_beside_a_sweep_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, sweep = blocks_of("docs/own-model.md", "python")[0], blocks_of("docs/own-model.md", "yaml")[0]
    (tmp_path / "my_code.py").write_text(code.text)
    (tmp_path / "mine.yaml").write_text(sweep.text.replace("epochs: 2", "epochs: 1").replace("[0, 3]", "[0, 1]"))
    monkeypatch.chdir(tmp_path)
    [words] = [words for words in commands(blocks_of("docs/own-model.md", "sh")[0].text) if words[1] == "run"]
    result = CliRunner().invoke(command(), words[1:])
    assert result.exit_code == 0, result.output
    assert len(list((tmp_path / "results/trials").iterdir())) == 4


def test_the_how_to_pages_show_the_worked_example_as_it_is() -> None:
    folder = ROOT / "docs/examples/coherence-extras/coherence_extras"
    shown = [block.text for block in every_block("python")]
    for path in folder.glob("[!_]*.py"):
        assert path.read_text() in shown, path.name


@pytest.mark.slow
def test_the_tutorial_runs_word_for_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From an empty folder: each command succeeds and says what the page shows."""
    monkeypatch.chdir(tmp_path)
    file, said = Path("first.yaml"), ""
    for block in blocks_of("docs/tutorial.md"):
        if block.kind == "yaml" and block.text.startswith("name:"):
            file.write_text(block.text)
        elif block.kind == "yaml":
            file.write_text(file.read_text().replace("axes:\n", f"axes:\n{block.text}"))
        elif block.kind == "sh":
            said = "".join(_said(words) for words in commands(block.text) if words[0] == "coherence")
        elif block.text.startswith("first.yaml: "):
            assert block.text.strip() in _said_of_a_misspelt_name(file)
        elif block.kind == "text":
            missing = [line for line in block.text.splitlines() if line not in said]
            assert missing == [], (str(block), said)
        elif block.kind == "python":
            exec(compile(block.text, str(block), "exec"), {})
    assert Path("results/reports/first.html").exists()


def _said(words: list[str]) -> str:
    result = CliRunner().invoke(command(), words[1:])
    assert result.exit_code == 0, (shlex.join(words), result.output)
    return result.output


def _said_of_a_misspelt_name(file: Path) -> str:
    wrong = Path("wrong") / file
    wrong.parent.mkdir()
    wrong.write_text(file.read_text().replace("dataset: digits", "dataset: digit"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(wrong.parent)
        result = CliRunner().invoke(command(), ["plan", str(file)])
    assert isinstance(result.exception, UserError)
    return str(result.exception)
