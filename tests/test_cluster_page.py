"""docs/cluster.md and the README: every Ray and coherence command is one that these tools take, on files at hand."""

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from orchestrator.cli import command
from tests.test_docs import blocks

ROOT = Path(__file__).parents[1]


def lines(tool: str) -> list[list[str]]:
    """Words of every command of `tool`, also where it stands in quotes for another host."""
    text = "\n".join(blocks("docs/cluster.md", "sh") + blocks("README.md", "sh"))
    text = "\n".join(line.split(" # ")[0] for line in text.splitlines())
    found = re.findall(rf"^(?:\w+=\w+ )?({tool} .*)$|'(?:\w+=\w+ )?(?:/\S*/)?({tool} [^']*)'", text, re.MULTILINE)
    return [shlex.split(plain or quoted) for plain, quoted in found]


def test_ray_takes_every_command():
    pytest.importorskip("ray")
    from ray.scripts.scripts import cli

    commands = lines("ray")
    assert {words[1] for words in commands} >= {"up", "exec", "start", "get-auth-token"}
    for _, name, *arguments in commands:
        cli.commands[name].make_context(name, arguments)


def test_coherence_takes_every_command():
    verbs = get_command(command()).commands
    commands = [words for words in lines("coherence") if "--address" in words]
    assert len(commands) >= 3
    for _, name, *arguments in commands:
        verbs[name].make_context(name, arguments)


def test_the_cluster_files_it_names_are_there():
    for _, _, *arguments in lines("ray"):
        for word in arguments:
            if word.endswith(".yaml") and word != "mine.yaml":
                assert (ROOT / word).exists() or (ROOT / "docs" / word).exists(), word
