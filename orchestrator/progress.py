"""Live progress: one calm block at the foot of a terminal, plain lines now and then when piped."""

import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from io import UnsupportedOperation
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.text import Text

from orchestrator.glance import Glance, last_of_each
from orchestrator.remaining import Counts, left_between, seconds_left, summary
from orchestrator.screen import Snapshot, screen
from orchestrator.states import STATES

PIPED_EVERY_S = 5.0
"""At most one plain line in this time,"""

PIPED_SHARE = 0.05
"""when this share of the trials has ended since the last,"""

PIPED_AT_LEAST_S = 60.0
"""or any trial after this time."""

REDRAWS_PER_S = 2


TALLEST = 24
"""Lines of the screen at most, however tall the terminal is."""


TOLD = 3
"""Failures that are told in full above a screen; it counts the rest."""


@dataclass(frozen=True)
class Sight:
    """What a screen by arm needs. states: of every trial of the sweep, kept up to date here; arms: by trial."""

    sweep: str
    states: dict[str, str]
    arms: Mapping[str, str]
    glance: Glance


class Progress:
    """An observer that shows progress on a stream; a context manager.

    weights: estimated seconds by id of every trial that will run. slots: trials at once. where: where a
    failed trial's traceback is; `{trial_id}` in it is filled in. sight: for a screen by arm, on a terminal.
    The stream is written through a descriptor of its own, so that it still leads to the terminal while a runner sends
    standard output to a log.
    """

    def __init__(
        self,
        weights: Mapping[str, float],
        slots: int,
        stream: TextIO,
        *,
        where: str = "table attempts, trial {trial_id}",
        clock: Callable[[], float] = time.monotonic,
        sight: Sight | None = None,
    ) -> None:
        self._weights, self._slots, self._where, self._clock = dict(weights), slots, where, clock
        self._given, self._gone = stream, False
        self._own: TextIO | None = None
        self._lock = threading.Lock()
        self._began = clock()
        self._running: dict[str, float] = {}
        self._taken: dict[str, float] = {}
        self._closed: set[str] = set()
        self._failed: set[str] = set()
        self._line_at, self._line_closed = self._began, 0
        self._console: Console | None = None
        self._live: Live | None = None
        self._sight = sight
        self._notes: set[str] = set()

    def __enter__(self) -> Self:
        self._own = _duplicate(self._given)
        console = Console(file=self._own or self._given)
        if console.is_terminal and not console.is_dumb_terminal:
            self._console = console
            self._live = Live(
                console=console,
                get_renderable=self._block,
                refresh_per_second=REDRAWS_PER_S,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()
            if self._sight is not None:
                self._sight.glance.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            if self._sight is not None:
                self._sight.glance.stop()
            self._live.stop()
            self._live = None
        else:
            self._say(self.text())
        if self._own is not None:
            with suppress(BrokenPipeError):
                self._own.close()
            self._own = None

    def started(self, trial_id: str) -> None:
        """An attempt begins."""
        with self._lock:
            self._weights.setdefault(trial_id, 0.0)
            self._running.setdefault(trial_id, self._clock())  # a worker that was replaced: all of it counts
            self._note_state(trial_id, "running")
        self._line()

    def finished(self, trial_id: str, outcome: str) -> None:
        """The attempt ended; an interrupted trial is left for the next run."""
        with self._lock:
            now = self._clock()
            began = self._running.pop(trial_id, now)
            self._note_state(trial_id, STATES.get(outcome, "failed" if outcome == "failed" else "pending"))
            if outcome not in ("interrupted", "held"):
                self._closed.add(trial_id)
            if outcome == "failed":
                self._failed.add(trial_id)
            if outcome == "completed":
                self._taken[trial_id] = now - began
            none_follows = len(self._running) + len(self._closed) >= len(self._weights)
        if none_follows:
            self._line()

    def _line(self) -> None:
        """A plain line, when one is due: once the next trial has begun, so that it counts as running."""
        if self._live is None and self._due():
            self._say(self.text())

    def failed(self, trial_id: str, message: str) -> None:
        """Shown at once, in one line."""
        with self._lock:
            self._running.pop(trial_id, None)
            self._closed.add(trial_id)
            self._failed.add(trial_id)
            self._note_state(trial_id, "failed")
            counted = self._live is not None and self._sight is not None and len(self._failed) > TOLD
        if counted:
            return  # the screen has the numbers by class
        where = self._where.replace("{trial_id}", trial_id)
        self._say(f"failed: {trial_id}: {' '.join(message.split())} (traceback: {where})")

    def note(self, text: str) -> None:
        """Shown at once; above a screen once, however often it comes."""
        with self._lock:
            again = self._live is not None and text in self._notes
            self._notes.add(text)
        if not again:
            self._say(text)

    def counts(self) -> Counts:
        """Where the launch stands."""
        with self._lock:
            return self._counts()

    def text(self) -> str:
        """Counts, time gone and time left, in one line."""
        with self._lock:
            now = self._clock()
            running = {trial: now - began for trial, began in self._running.items()}
            left = seconds_left(self._weights, self._taken, running, self._closed, self._slots)
            between = left_between(left, self._weights, self._taken, self._closed)
            return summary(self._counts(), now - self._began, left, between)

    def _counts(self) -> Counts:
        done = len(self._closed - self._failed)
        return Counts(len(self._weights), done, len(self._running), len(self._failed))

    def _due(self) -> bool:
        with self._lock:
            gone = self._clock() - self._line_at
            share = (len(self._closed) - self._line_closed) / max(1, len(self._weights))
            due = gone >= PIPED_EVERY_S and (share >= PIPED_SHARE or gone >= PIPED_AT_LEAST_S)
            if due:
                self._line_at, self._line_closed = self._clock(), len(self._closed)
            return due

    def _note_state(self, trial_id: str, state: str) -> None:
        if self._sight is not None and trial_id in self._sight.states:
            self._sight.states[trial_id] = state

    def _screen(self, sight: Sight, console: Console) -> Text:
        with self._lock:
            now, states = self._clock(), dict(sight.states)
            running = {trial: now - began for trial, began in self._running.items()}
            left = seconds_left(self._weights, self._taken, running, self._closed, self._slots)
            between = left_between(left, self._weights, self._taken, self._closed)
            gone, ended = now - self._began, len(self._closed)
        sight.glance.want(last_of_each(states, sight.arms), [t for t, s in states.items() if s == "failed"])
        seen = Snapshot(
            sight.sweep,
            states,
            sight.arms,
            elapsed_s=gone,
            left_s=left,
            between=between,
            per_hour=3600 * ended / gone if ended and gone > 0 else None,
            slots=self._slots,
            curves=sight.glance.curves,
            failures=sight.glance.failures,
        )
        width, height = console.size
        lines = screen(seen, width, min(height - 1, TALLEST), plain=console.encoding != "utf-8")
        return Text("\n".join(lines), no_wrap=True, overflow="crop")

    def _block(self) -> Group:
        if self._sight is not None and self._console is not None:
            return Group(self._screen(self._sight, self._console))
        counts = self.counts()
        bar = ProgressBar(total=max(1, counts.total), completed=counts.done + counts.failed)
        return Group(Text(self.text()), bar)

    def _say(self, text: str) -> None:
        # Never under the lock: the redraw thread holds the console while it waits for our counts.
        if self._gone:
            return
        try:
            if self._console is not None and self._live is not None:
                self._console.print(Text(text))
            else:
                stream = self._own or self._given
                stream.write(f"{text}\n")
                stream.flush()
        except BrokenPipeError:
            self._gone = True  # whoever read along has left; the trials go on


def _duplicate(stream: TextIO) -> TextIO | None:
    try:
        descriptor = os.dup(stream.fileno())
    except UnsupportedOperation:
        return None
    return os.fdopen(descriptor, "w", buffering=1, encoding=stream.encoding, errors="replace")
