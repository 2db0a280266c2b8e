"""Where downloaded data sets lie, and fetching one without ever showing half of it."""

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path

VARIABLE = "GRADIENT_COHERENCE_DATA"


class MissingDataError(RuntimeError):
    """A data set is neither in the folder nor to be had."""


def data_root() -> Path:
    """The folder of downloaded data: what the environment variable names, else ~/.cache/gradient-coherence.

    It is no part of a trial's identity; a trial stores the SHA-256 of the data it saw.
    """
    given = os.environ.get(VARIABLE)
    return Path(given).expanduser().absolute() if given else Path.home() / ".cache" / "gradient-coherence"


def ensure_files(name: str, root: Path, files: Sequence[str], download: Callable[[Path], None]) -> None:
    """Make sure that `files` (relative to `root`) exist; a complete set is neither locked nor written to.

    download: writes the files below the folder it is given. One process of a machine downloads at a time, into
    a temporary folder beside the data; then each file is moved into place whole. Raises MissingDataError.
    """
    if not missing_files(root, files):
        return
    try:
        root.mkdir(parents=True, exist_ok=True)
        with _locked(root / f".{name}.lock"):
            if missing_files(root, files):
                _fetch(root, files, download)
    except (OSError, HTTPException, RuntimeError) as error:
        raise MissingDataError(advice(name, root, files, error)) from error


def missing_files(root: Path, files: Sequence[str]) -> list[str]:
    """Those of `files`, relative to `root`, that are not there."""
    return [file for file in files if not (root / file).is_file()]


def _fetch(root: Path, files: Sequence[str], download: Callable[[Path], None]) -> None:
    with tempfile.TemporaryDirectory(prefix=".download-", dir=root) as temporary:
        download(Path(temporary))
        for file in files:
            target = root / file
            target.parent.mkdir(parents=True, exist_ok=True)
            (Path(temporary) / file).replace(target)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Held by one process at a time; the system frees it when the process ends, however it ends."""
    # Here, since data sets are named where nothing is downloaded, on systems without it too.
    import fcntl

    with path.open("w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def advice(name: str, root: Path, files: Sequence[str], error: Exception) -> str:
    """What to tell where files of a data set are missing and cannot be had."""
    reason = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
    lines = [
        f"data set {name!r} is not complete in {root} and could not be downloaded ({reason}).",
        f"Expected there: {', '.join(files)}.",
        f"Put them there, or name the folder that holds them in the environment variable {VARIABLE}.",
    ]
    return " ".join(lines)
