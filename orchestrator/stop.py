"""One request to stop, made once by the driver and seen by every trial, wherever it runs.

The request is an empty file in the store, the one place that the driver and all workers share. Trials
run off their process's main thread, where no signal handler can be, so they ask at step ends.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType
from typing import Self

from trainables.location import Location, locate
from trainables.remote import RemotePath

POLL_S = 0.25
REMOTE_POLL_S = 3.0
"""On an object store, where each look of each trial is a request."""


def family_flag(flag: str | Location, key: str) -> Location:
    """The file that asks workers to begin no other trial of a family."""
    return locate(f"{flag}-{key}")


class StopPoll:
    """The trial's side: `poll()` is true once a stop was requested; looks at most every `interval_s` seconds."""

    def __init__(self, flag: str | Location, interval_s: float | None = None) -> None:
        self._flag = locate(flag)
        usual = REMOTE_POLL_S if isinstance(self._flag, RemotePath) else POLL_S
        self._interval_s = usual if interval_s is None else interval_s
        self._next, self._stopped = 0.0, False

    def __call__(self) -> bool:
        now = time.monotonic()
        if not self._stopped and now >= self._next:
            self._stopped = self._flag.exists()
            self._next = now + self._interval_s
        return self._stopped


class StopSwitch:
    """The driver's side: requests a stop when `should_stop` says so, or at Ctrl-C.

    Ctrl-C is taken over only where Python's own handler is in force (a caller with a handler of its own
    speaks through `should_stop`); a second Ctrl-C interrupts at once. `interrupted` says that Ctrl-C came.
    """

    def __init__(self, flag: Location, should_stop: Callable[[], bool]) -> None:
        self.flag, self.requested, self.interrupted = flag, False, False
        self._should_stop = should_stop
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="stop-switch", daemon=True)
        self._failure: Exception | None = None
        self._owns_signal = False

    def __enter__(self) -> Self:
        in_main = threading.current_thread() is threading.main_thread()
        if in_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._on_interrupt)
            self._owns_signal = True
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        self._thread.join()
        self._restore_signal()
        for flag in (self.flag, *self.flag.parent.glob(f"{self.flag.name}-*")):
            flag.unlink(missing_ok=True)
        if self._failure is not None and error is None:
            raise self._failure

    def request(self) -> None:
        """Ask every trial to stop. Where the store cannot even take an empty file, running trials end on that."""
        self.requested = True
        with suppress(OSError):
            self.flag.touch()

    def request_family(self, key: str) -> None:
        """Ask that no other trial of a family begins."""
        family_flag(self.flag, key).touch()

    def _watch(self) -> None:
        try:
            while not self._closed.is_set():
                if self.interrupted or self._should_stop():
                    self.request()
                    return
                self._closed.wait(POLL_S)
        except Exception as error:  # noqa: BLE001 - raised by __exit__, in the caller's thread
            self.requested, self._failure = True, error

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.interrupted = True
        self._restore_signal()

    def _restore_signal(self) -> None:
        if self._owns_signal:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self._owns_signal = False


@contextmanager
def kept_handler(number: signal.Signals) -> Iterator[None]:
    """Keep this process's handler of a signal whatever is called inside: Ray sets one that ends the driver."""
    before = signal.getsignal(number)
    try:
        yield
    finally:
        if before is not None and threading.current_thread() is threading.main_thread():
            signal.signal(number, before)
