"""Which processes run in a namespace, as this machine counts them."""

from collections.abc import Iterator
from pathlib import Path


def in_namespace_of(pid: int) -> dict[int, str]:
    """Process id -> command line of everything in the process namespace of `pid`."""
    inside = Path(f"/proc/{pid}/ns/pid").readlink()
    return {each: line for each, line in _all() if _namespace(each) == inside}


def only_child(pid: int) -> int:
    """The one process that `pid` has started."""
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(child)


def _all() -> Iterator[tuple[int, str]]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and (line := _line(folder)) is not None:
            yield int(folder.name), line


def _line(folder: Path) -> str | None:
    try:
        return (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    except (FileNotFoundError, ProcessLookupError):
        return None  # it ended meanwhile


def _namespace(pid: int) -> Path | None:
    try:
        return Path(f"/proc/{pid}/ns/pid").readlink()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None  # it ended meanwhile, or is none of ours
