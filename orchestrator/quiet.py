"""Sends everything that this process and its children print to a log file for a while."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TextIO

from trainables.location import Location, beside


def log_path(store: Location, name: str) -> Path:
    """`<store>/logs/<name>-<time>.log`, not taken yet; its folder exists. Of a store at s3:// it is on this machine."""
    folder = beside(store) / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    taken = len(list(folder.glob(f"{stem}*.log")))
    return folder / (f"{stem}-{taken}.log" if taken else f"{stem}.log")


@contextmanager
def quiet(log: Path) -> Iterator[None]:
    """Append standard output and error to `log`: Python's streams, file descriptors 1 and 2, children's too.

    What must still reach the terminal needs a descriptor of its own, taken before (`Progress` does so).
    """
    sys.stdout.flush()
    sys.stderr.flush()
    saved = [(number, os.dup(number)) for number in (1, 2)]
    try:
        with log.open("ab") as file:
            for number, _ in saved:
                os.dup2(file.fileno(), number)
        # closefd=False: a logger may keep these streams; after the restore they lead to the terminal again.
        with (
            redirect_stdout(open(1, "w", buffering=1, encoding="utf-8", closefd=False)) as out,
            redirect_stderr(open(2, "w", buffering=1, encoding="utf-8", closefd=False)) as err,
        ):
            try:
                yield
            finally:
                _flush_or_drop(out, 1)
                _flush_or_drop(err, 2)
    finally:
        for number, copy in saved:
            os.dup2(copy, number)
            os.close(copy)


def _flush_or_drop(stream: TextIO, number: int) -> None:
    """Chatter that the log cannot take (its disk is full) must neither end a run nor reach the terminal later."""
    try:
        stream.flush()
    except OSError:
        with Path(os.devnull).open("wb") as nothing:
            os.dup2(nothing.fileno(), number)
        stream.flush()
