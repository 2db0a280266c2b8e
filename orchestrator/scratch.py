"""Surroundings that last as long as one launch: a short-named temporary folder and environment variables."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

SHORT = 40
"""Characters: Ray puts sockets below its temporary folder, whose paths the system limits to 107."""

PREFIX = "gc-"
IN_USE = "in-use"
"""A file in each folder that is locked as long as its process lives."""

YOUNG_S = 60.0
"""A folder younger than this may not be locked yet."""

REMOVE_S = 5.0
"""Processes that are ending may still write for a moment."""


@contextmanager
def short_folder() -> Iterator[Path]:
    """A new local folder with a short path, removed at the end; also removes those of processes that were killed."""
    base = Path(tempfile.gettempdir())
    if len(str(base)) > SHORT and os.access("/tmp", os.W_OK):
        base = Path("/tmp")
    _remove_abandoned(base)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
    with (folder / IN_USE).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield folder
        finally:
            _remove(folder)


@contextmanager
def environment(settings: Mapping[str, str]) -> Iterator[None]:
    """Set these environment variables for a while."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _remove_abandoned(base: Path) -> None:
    for marker in base.glob(f"{PREFIX}*/{IN_USE}"):
        try:
            if time.time() - marker.stat().st_mtime < YOUNG_S:
                continue
            with marker.open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(marker.parent, ignore_errors=True)
        except OSError:
            continue  # in use, or another user's


def _remove(folder: Path) -> None:
    deadline = time.monotonic() + REMOVE_S
    while folder.exists() and time.monotonic() < deadline:
        shutil.rmtree(folder, ignore_errors=True)
        if folder.exists():
            time.sleep(0.1)
