"""Commands of a documentation, each held against the tool that would be given it, in this process; nothing is run."""

import importlib.util
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from typer.main import get_command

from analysis.cli import claim_names, figure_names
from orchestrator.cli import command
from orchestrator.load import builtin_sweeps
from tests.pages import ROOT, every_block

ASSIGNMENT = re.compile(r"[A-Z_]+=\S*")


class WrongCommandError(AssertionError):
    """A command that its tool would not take."""


def commands(text: str) -> Iterator[list[str]]:
    """The words of each line, without comments, environment and what follows a redirection."""
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        while words and ASSIGNMENT.fullmatch(words[0]):
            words = words[1:]
        words = words[: words.index(">")] if ">" in words else words
        if words:
            yield words


def check(words: Sequence[str], earlier: Sequence[Sequence[str]] = ()) -> None:
    """Raise WrongCommandError unless the tool takes these words. earlier: the commands before it in the block."""
    tool = Path(words[0]).name
    if tool not in TOOLS:
        raise WrongCommandError(f"{words[0]}: none of {', '.join(TOOLS)}; teach tests/shell_lines.py what it takes")
    TOOLS[tool](list(words[1:]), earlier)


def _coherence(words: list[str], earlier: Sequence[Sequence[str]]) -> None:
    group = get_command(command())
    path = "coherence"
    while hasattr(group, "commands"):
        if not words or words[0] not in group.commands:
            raise WrongCommandError(f"{path}: no verb {words[:1]}; it has {', '.join(group.commands)}")
        path, group, words = f"{path} {words[0]}", group.commands[words[0]], words[1:]
    parsed = _parsed(path, group, words)
    known = {"sweep": _sweeps(), "only": _figures(), "figure": _figures(), "until": set(claim_names())}
    if path.endswith(("retry", "push")):
        known.pop("only")
    for name, names in known.items():
        value = parsed.get(name)
        for one in [value] if isinstance(value, str) else value or ():
            if _stem(one) not in names:
                raise WrongCommandError(f"{path}: {one!r} is no {name} of this package or of a page")


def _parsed(path: str, one: Any, words: list[str]) -> dict[str, Any]:
    try:
        context = one.make_context(path, words)
    except Exception as error:
        raise WrongCommandError(f"{path}: {words}: {error}") from error
    with context:
        return dict(context.params)


def _stem(sweep: str) -> str:
    """Without the ending of a file and the name of a scale."""
    return Path(sweep).name.removesuffix(".yaml").removesuffix(".laptop")


@cache
def _sweeps() -> set[str]:
    """Built-in sweeps and those that a page or the worked example writes down."""
    written = {name for block in every_block("yaml") for name in re.findall(r"^name: (\S+)$", block.text, re.MULTILINE)}
    return {*builtin_sweeps(), *written, *(path.stem for path in (ROOT / "docs/examples").rglob("*.yaml"))}


@cache
def _figures() -> set[str]:
    made = {path.stem.replace("_", "-") for path in (ROOT / "docs/examples").rglob("coherence_extras/*.py")}
    return {*figure_names(), *made}


def _make(words: list[str], earlier: Sequence[Sequence[str]]) -> None:
    makefile = (ROOT / "Makefile").read_text()
    for word in words:
        if not ASSIGNMENT.fullmatch(word) and f"\n{word}:" not in makefile:
            raise WrongCommandError(f"make: no target {word!r}")


def _ray(words: list[str], earlier: Sequence[Sequence[str]]) -> None:
    import pytest

    pytest.importorskip("ray")
    from ray.scripts.scripts import cli

    if not words or words[0] not in cli.commands:
        raise WrongCommandError(f"ray: no command {words[:1]}")
    _parsed(f"ray {words[0]}", cli.commands[words[0]], list(words[1:]))
    for word in words:
        if " " in word:
            for inner in commands(word):
                check(inner)


def _python(words: list[str], earlier: Sequence[Sequence[str]]) -> None:
    if words[:1] == ["-c"]:
        compile(words[1], "-c", "exec")
        return
    spec = importlib.util.find_spec(words[1]) if words[:1] == ["-m"] and len(words) > 1 else None
    if spec is None or spec.origin is None:
        raise WrongCommandError(f"python {words}: no module of this repository")
    source = Path(spec.origin).read_text()
    for name in re.findall(r"from benchmarks\.(\w+) import|from benchmarks import (\w+)", source):
        source += (ROOT / "benchmarks" / f"{''.join(name)}.py").read_text()
    for word in words[2:]:
        if word.startswith("--") and f'"{word}"' not in source:
            raise WrongCommandError(f"python -m {words[1]}: no option {word}")


def _pip(words: list[str], earlier: Sequence[Sequence[str]]) -> None:
    from pip._internal.commands import create_command

    try:
        options, _ = create_command(words[0]).parser.parse_args(words[1:])
    except SystemExit as error:
        raise WrongCommandError(f"pip {words}: not taken") from error
    for file in options.requirements:
        if not (ROOT / file).exists():
            raise WrongCommandError(f"pip: no file {file}")


def _cd(words: list[str], earlier: Sequence[Sequence[str]]) -> None:
    made = {f"coherence-{line[3]}" for line in earlier if list(line[:2]) == ["coherence", "new"]}
    if words[0] not in made and not (ROOT / words[0]).is_dir():
        raise WrongCommandError(f"cd: no folder {words[0]}; the block makes {sorted(made)}")


def _export(words: list[str], earlier: Sequence[Sequence[str]]) -> None:
    if wrong := [word for word in words if not ASSIGNMENT.fullmatch(word)]:
        raise WrongCommandError(f"export: {wrong}, expected NAME=value")


def _exactly(*taken: str) -> Callable[[list[str], Sequence[Sequence[str]]], None]:
    def check_words(words: list[str], earlier: Sequence[Sequence[str]]) -> None:
        if tuple(words) != taken:
            raise WrongCommandError(f"given {words}, expected {taken}")

    return check_words


TOOLS: dict[str, Callable[[list[str], Sequence[Sequence[str]]], None]] = {
    "coherence": _coherence,
    "make": _make,
    "ray": _ray,
    "python": _python,
    "pip": _pip,
    "cd": _cd,
    "export": _export,
    "pytest": _exactly(),
    "source": _exactly(".venv/bin/activate"),
}
