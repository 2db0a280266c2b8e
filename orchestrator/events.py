"""A launch as JSON lines, for machines: `coherence run SWEEP --json`, or `retry`.

event     with it
begin     sweep, to_run, planned, slots
started   trial_id
finished  trial_id, outcome (completed, diverged, stopped, failed, interrupted, held)
failed    trial_id, message
note      text
end       sweep, planned, done, running, pending, failed, diverged, stopped, exit_code

Every line also has `time`, seconds since 1970 UTC.
"""

import json
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TextIO


class Events:
    """An observer that writes a line for whatever happens; a context manager."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.time) -> None:
        self._stream, self._clock, self._gone = stream, clock, False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to close."""

    def say(self, event: str, **content: Any) -> None:
        """Write one line."""
        line = json.dumps({"event": event, "time": round(self._clock(), 3), **content}, allow_nan=False)
        if self._gone:
            return
        try:
            self._stream.write(f"{line}\n")
            self._stream.flush()
        except BrokenPipeError:
            self._gone = True  # whoever read along has left; the trials go on

    def started(self, trial_id: str) -> None:
        """An attempt begins."""
        self.say("started", trial_id=trial_id)

    def finished(self, trial_id: str, outcome: str) -> None:
        """The attempt ended."""
        self.say("finished", trial_id=trial_id, outcome=outcome)

    def failed(self, trial_id: str, message: str) -> None:
        """Why."""
        self.say("failed", trial_id=trial_id, message=message)

    def note(self, text: str) -> None:
        """Something to read once."""
        self.say("note", text=text)
