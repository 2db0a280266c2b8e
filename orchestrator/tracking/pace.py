"""How fast runs are sent, and how a refusal for being too fast is waited out."""

import re
import time
from collections.abc import Callable

RUNS_PER_MINUTE = 60.0
"""Unless asked for otherwise. A run costs the server about ten requests; its limits are per project."""

PAUSES_S = (15.0, 30.0, 60.0, 120.0, 240.0)
"""Between attempts at a run that the server refused for its rate; beyond the client's own retries."""

_TOO_FAST = re.compile(r"\b429\b|rate.?limit|too many requests", re.IGNORECASE)


class Pace:
    """Sends one after another, at most `per_minute`.

    clock, sleep: in place of the real ones.
    """

    def __init__(
        self,
        per_minute: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._apart_s = 60.0 / per_minute
        self._clock, self._sleep = clock, sleep
        self._next = clock()

    def send(self, work: Callable[[], None]) -> None:
        """Wait for this one's turn, do it, and again after a pause while the server says that it is too fast."""
        for pause in (*PAUSES_S, None):
            self._wait()
            try:
                return work()
            except Exception as error:
                if pause is None or not is_too_fast(error):
                    raise
                self._sleep(pause)
        return None

    def _wait(self) -> None:
        now = self._clock()
        if now < self._next:
            self._sleep(self._next - now)
        self._next = max(now, self._next) + self._apart_s


def is_too_fast(error: BaseException) -> bool:
    """Whether the server refused for the rate, as its status or its words tell."""
    return _TOO_FAST.search(str(error)) is not None
