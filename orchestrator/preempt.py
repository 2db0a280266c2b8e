"""SIGTERM to a worker: its node is about to go. The running trial saves a checkpoint at its next step and returns.

Python calls signal handlers in a process's main thread only, so a worker runs its trials there.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_told = threading.Event()


def told() -> bool:
    """Whether this process was asked to go. It stays so: a preempted process takes up no other trial."""
    return _told.is_set()


@contextmanager
def heeded() -> Iterator[None]:
    """Take SIGTERM as the request to save and go, while the block runs; off the main thread nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def tell(number: int, frame: FrameType | None) -> None:
        del number, frame
        _told.set()

    before = signal.signal(signal.SIGTERM, tell)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)
