"""Help that teaches: every verb's ends with examples, and each of them is a command that would be understood."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from orchestrator.cli import command

Coherence = Callable[..., tuple[int, str, str]]


def verbs(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every verb with its place in the command."""
    for name, one in group.commands.items():
        if hasattr(one, "commands"):
            yield from verbs(one, (*path, name))
        else:
            yield (*path, name), one


GROUP = typer.main.get_command(command())
VERBS = dict(verbs(GROUP))
EVERY = pytest.mark.parametrize("verb", VERBS, ids=" ".join)


def examples(verb: tuple[str, ...]) -> list[str]:
    """The commands after the last `Example:` of the help."""
    text = VERBS[verb].help or ""
    return re.findall(r"coherence [^\n]*", text.rpartition("Example:")[2])


@EVERY
def test_help_ends_with_an_example_that_parses(verb: tuple[str, ...]) -> None:
    found = examples(verb)
    assert found, "no example"
    assert (VERBS[verb].help or "").rstrip().endswith(found[-1])
    for example in found:
        words = shlex.split(example.partition(" > ")[0])[1:]
        assert tuple(words[: len(verb)]) == verb
        context = VERBS[verb].make_context(" ".join(verb), words[len(verb) :])
        context.close()


@pytest.mark.parametrize("path", [(), ("wandb",)], ids=["coherence", "wandb"])
def test_help_of_a_group_ends_with_examples_that_parse(path: tuple[str, ...]) -> None:
    group = GROUP
    for name in path:
        group = group.commands[name]
    found = re.findall(r"coherence [^\n]*", (group.help or "").rpartition("Example:")[2])
    assert found, "no example"
    assert (group.help or "").rstrip().endswith(found[-1])
    for example in found:
        words = shlex.split(example)[1:]
        verb = next(verb for verb in VERBS if tuple(words[: len(verb)]) == verb)
        assert verb[: len(path)] == path
        VERBS[verb].make_context(" ".join(verb), words[len(verb) :]).close()


@EVERY
def test_every_argument_and_option_is_explained(verb: tuple[str, ...]) -> None:
    assert [one.name for one in VERBS[verb].params if not getattr(one, "help", None) and one.name != "help"] == []


COMPLETED = {
    "a built-in sweep": ("coherence plan lab", "label-noise"),
    "a sweep of the store": ("coherence status mi", "mine"),
    "a stored sweep of figures": ("coherence figures mi", "mine"),
    "a file": ("coherence run my-", "my-sweep.yaml"),
    "a folder": ("coherence run fold", "folder/"),
    "a figure to run for": ("coherence run --for long", "long-run"),
    "a figure to draw": ("coherence figures --only learning-s", "learning-speed"),
    "a claim": ("coherence run --until robust-m", "robust-memorises-less"),
    "a sink": ("coherence run --sink js", "json-lines"),
    "a class of failures": ("coherence retry x --only inf", "infrastructure"),
    "a kind": ("coherence new agg", "aggregator"),
    "a verb": ("coherence sche", "schema"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("shell")
    (made / "results/sweeps/mine").mkdir(parents=True)
    (made / "my-sweep.yaml").touch()
    (made / "folder").mkdir()
    return made


@pytest.fixture(scope="module")
def completed(folder: Path) -> dict[str, list[str]]:
    """What the shell is offered for each line, asked in one process; as typer asks the command."""
    code = (
        "import contextlib, io, json, os, sys\n"
        "from orchestrator.cli import main\n"
        "found = {}\n"
        "for line in json.load(sys.stdin):\n"
        "    os.environ |= {'_COHERENCE_COMPLETE': 'complete_bash', 'COMP_WORDS': line,\n"
        "                   'COMP_CWORD': str(len(line.split()) - 1)}\n"
        "    out = io.StringIO()\n"
        "    with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):\n"
        "        main([])\n"
        "    found[line] = out.getvalue().split()\n"
        "print(json.dumps([found, [name for name in ('torch', 'ray', 'matplotlib') if name in sys.modules]]))\n"
    )
    import json

    lines = json.dumps([line for line, _ in COMPLETED.values()])
    done = subprocess.run(
        [sys.executable, "-c", code], input=lines, cwd=folder, capture_output=True, text=True, check=False, env=_here()
    )
    assert done.returncode == 0, done.stderr
    found, heavy = json.loads(done.stdout)
    assert heavy == []
    return dict(found)


def _here() -> dict[str, str]:
    root = str(Path(__file__).parents[2])
    return {**os.environ, "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}


@pytest.mark.parametrize("case", COMPLETED)
def test_the_shell_is_offered_names(case: str, completed: dict[str, list[str]]) -> None:
    line, expected = COMPLETED[case]
    assert expected in completed[line]
    assert all(word.startswith(line.split()[-1]) for word in completed[line])
