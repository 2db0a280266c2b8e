"""The wall time an attempt may take, asked about at step ends."""

import time
from collections.abc import Callable


class Deadline:
    """`should_stop` of an attempt: true once somebody asks for a stop, or `seconds` after it was made.

    A step that never ends is not noticed. `passed`: whether the time, and nobody's wish, ended it.
    """

    def __init__(
        self, seconds: float | None, should_stop: Callable[[], bool], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.seconds, self.passed = seconds, False
        self._should_stop, self._clock, self._began = should_stop, clock, clock()

    def __call__(self) -> bool:
        if self._should_stop():
            return True
        self.passed = self.seconds is not None and self._clock() - self._began >= self.seconds
        return self.passed
