"""What the shell offers: names of sweeps, sinks, classes of failures, kinds. Reads no trial, imports nothing heavy.

Completion is asked for at every press of a key, so a store that is far away (s3://) is not looked into.
"""

from collections.abc import Iterable, Iterator
from importlib.resources import files
from pathlib import Path

RESULTS = Path("results")


def sweeps(incomplete: str) -> list[str]:
    """Built-in sweeps and those of the store `results`, and YAML files of the folder that is being written."""
    return [*starting(incomplete, [*_builtin(), *_stored()]), *_files(incomplete)]


def stored(incomplete: str) -> list[str]:
    """Sweeps of the store `results`."""
    return starting(incomplete, _stored())


def kinds(incomplete: str) -> list[str]:
    """Kinds of `coherence new`."""
    from orchestrator.new import KINDS

    return starting(incomplete, KINDS)


def sinks(incomplete: str) -> list[str]:
    """Names of sinks, those of plugins too."""
    from trainables.sinks import SINKS

    return starting(incomplete, SINKS)


def failures(incomplete: str) -> list[str]:
    """Classes of failures."""
    from orchestrator.failures import FAILURES

    return starting(incomplete, FAILURES)


def _builtin() -> Iterator[str]:
    folder = files("orchestrator") / "sweeps"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".yaml"))
    return (name.removesuffix(".yaml") for name in names)


def _stored() -> list[str]:
    folder = RESULTS / "sweeps"
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def _files(incomplete: str) -> list[str]:
    place = Path(incomplete)
    folder = place if incomplete.endswith("/") else place.parent
    if not folder.is_dir():
        return []
    found = (path for path in folder.iterdir() if path.is_dir() or path.suffix in (".yaml", ".yml"))
    written = sorted(f"{path}/" if path.is_dir() else str(path) for path in found if not path.name.startswith("."))
    return [path for path in written if path.startswith(incomplete)]


def starting(incomplete: str, names: Iterable[str]) -> list[str]:
    """Those that begin with what is written so far, in their order."""
    return [name for name in dict.fromkeys(names) if name.startswith(incomplete)]
