"""The sources of this distribution as this process would import them: where they are and their digest.

The import names are generic, so another folder may shadow them. This file imports nothing of the
distribution: it is sent by value to workers that may see other packages under these names.
"""

import hashlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("trainables", "orchestrator", "analysis")
NUMERICS = ("trainables",)
"""What decides a trial's numbers; editing a figure while a sweep runs changes nothing."""

SUFFIXES = {".py", ".yaml", ".j2"}


def locate(name: str) -> Path | None:
    """Folder that `import name` would load, or None."""
    spec = find_spec(name)
    places = list(spec.submodule_search_locations or ()) if spec else []
    return Path(places[0]) if places else None


def sources_digest(names: tuple[str, ...] = PACKAGES) -> str:
    """SHA-256 over relative paths and contents of the named packages' sources; a missing package counts as empty."""
    digest = hashlib.sha256()
    for name in names:
        folder = locate(name)
        files = [path for path in folder.rglob("*") if path.suffix in SUFFIXES] if folder else []
        for path in sorted(files):
            content = path.read_bytes()
            digest.update(f"{name}/{path.relative_to(folder or path)}:{len(content)}\n".encode())
            digest.update(content)
    return digest.hexdigest()


def module_digest(name: str) -> str | None:
    """SHA-256 over the sources of a top-level module or package as `import name` would find it; None without one."""
    if locate(name) is not None:
        return sources_digest((name,))
    spec = find_spec(name)
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        return None
    return hashlib.sha256(Path(spec.origin).read_bytes()).hexdigest()


@dataclass(frozen=True)
class Seen:
    """Digest of the packages, and the folder of each: what a process answers when asked."""

    digest: str
    folders: dict[str, str]


def seen_here() -> Seen:
    """What this process would import."""
    return Seen(sources_digest(), {name: str(locate(name) or "not installed") for name in PACKAGES})


def difference(here: Seen, there: Seen) -> str | None:
    """How a worker's sources differ from this process's, and what to do; None if they are the same."""
    if there.digest == here.digest:
        return None
    name = next((name for name in PACKAGES if there.folders[name] != here.folders[name]), PACKAGES[0])
    return (
        f"sees other sources of {', '.join(PACKAGES)} than this process:"
        f" {name} is at {there.folders[name]} there and at {here.folders[name]} here."
        " Install the same version on every node, in an environment of its own."
    )
