"""That a package's entry point leads to its entry, under a name that nobody has. Torch-free."""

import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

from trainables.plugins import GROUP, KINDS


def check_published(pyproject: Path, kind: str, entry: Any) -> None:
    """Among the entry points of the package, one of this kind resolves to the entry, by the name that it fixes."""
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    groups = project["entry-points"]
    unknown = [group for group in groups if group.startswith(GROUP) and group.removeprefix(GROUP) not in KINDS]
    assert not unknown, f"{unknown}: expected {', '.join(GROUP + known for known in KINDS)}"
    found = {name: value for name, value in groups.get(GROUP + kind, {}).items() if _resolved(value) is entry}
    assert len(found) == 1, f"{pyproject}: no entry point of {GROUP}{kind} leads to {entry}"
    [name] = found
    if hasattr(entry, "params"):
        fixed = get_args(entry.params.model_fields["name"].annotation)
        assert fixed == (name,), f"published as {name!r}, but its parameters fix `name` to {fixed}"


def _resolved(value: str) -> object:
    module, _, attribute = value.partition(":")
    return getattr(import_module(module), attribute)
