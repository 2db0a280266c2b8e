"""`coherence new`: a package that adds one entry to a registry, with the contract that every entry keeps."""

import re
from importlib.resources import files
from pathlib import Path

from orchestrator.errors import UserError
from trainables.plugins import noun
from trainables.registry import nearest

KINDS = {
    noun(kinds): kinds
    for kinds in (
        *("models", "datasets", "corruptions", "aggregators", "metrics", "instruments", "optimizers"),
        *("figures", "claims", "sinks"),
    )
}
"""What a sweep file or the command calls it -> group of its entry points."""

READING = ("figure", "claim")
"""Kinds that need the analysis alone."""

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST = 40


def write_package(kind: str, name: str, folder: Path | None, known: set[str]) -> list[Path]:
    """Write a new package into `folder` (`coherence-<name>`), which must not be there; its files.

    known: names that are taken. UserError where something cannot be meant; then nothing is written.
    """
    if kind not in KINDS:
        raise UserError(f"unknown kind {kind!r}.{nearest(kind, KINDS)}")
    if not _NAME.fullmatch(name) or len(name) > LONGEST:
        raise UserError(
            f"given the name {name!r}, expected words of a-z and 0-9 joined by '-', beginning with a letter, of at most"
            f" {LONGEST} characters, such as wide-mlp."
        )
    if name in known:
        raise UserError(f"there is a {kind} {name!r} already; choose another name.")
    target = folder or Path(f"coherence-{name}")
    if target.exists():
        raise UserError(f"{target} exists already; give another folder with --out.")
    contents = package(kind, name)
    for path, text in contents.items():
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (target / path).write_text(text, encoding="utf-8")
    return [target / path for path in contents]


def package(kind: str, name: str) -> dict[str, str]:
    """Texts by path in the package."""
    module = f"coherence_{name.replace('-', '_')}"
    own = {entry.name.removesuffix(".txt"): entry for entry in (files("orchestrator") / "templates" / kind).iterdir()}
    [code] = [file.removesuffix(".py") for file in own if file not in ("__init__.py", "test.py")]
    filled = {
        "NAME": name,
        "CLASS": "".join(word.capitalize() for word in name.split("-")),
        "MODULE": module,
        "DISTRIBUTION": f"coherence-{name}",
        "KINDS": KINDS[kind],
        "KIND": kind,
        "CODE": code,
        "EXTRA": "" if kind in READING else "[sweep]",
    }
    texts = {f"{module}/{file}": entry.read_text(encoding="utf-8") for file, entry in own.items() if file != "test.py"}
    texts[f"tests/test_{module}.py"] = own["test.py"].read_text(encoding="utf-8")
    for entry in (files("orchestrator") / "templates" / "common").iterdir():
        texts[entry.name.removesuffix(".txt")] = entry.read_text(encoding="utf-8")
    return {path: _filled(text, filled) for path, text in sorted(texts.items())}


def _filled(text: str, values: dict[str, str]) -> str:
    return re.sub(r"@([A-Z]+)@", lambda match: values[match[1]], text)
