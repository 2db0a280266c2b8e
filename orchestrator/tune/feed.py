"""Gives Tune the trials of a launch one at a time, so that it never holds more than run at once."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ray.tune.search import Searcher

from orchestrator.resources import Node
from orchestrator.shapes import Shapes

LOOK_EVERY_S = 10.0


class Room:
    """How many trials run at once on the nodes at hand, which may come and go; looked at now and then."""

    def __init__(
        self, shapes: Shapes, look: Callable[[], Sequence[Node]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._shapes, self._look, self._clock = shapes, look, clock
        self._at_once, self._next = 0, clock()

    def __call__(self) -> int:
        """At least one: where nothing fits now, Tune says what it waits for."""
        if self._clock() >= self._next:
            self._at_once = max(1, self._shapes.at_once(self._look()))
            self._next = self._clock() + LOOK_EVERY_S
        return self._at_once


class Feed(Searcher):
    """The points in their order, each when there is room for it; no more once a stop was requested.

    A grid would be held whole, from its first trial to its last. And for a trial that waits Tune asks Ray for a place,
    which it gives back unused as soon as a worker that has ended another takes the trial: here each finds its worker.
    """

    def __init__(
        self, points: Iterator[dict[str, Any]], room: Callable[[], int], should_stop: Callable[[], bool]
    ) -> None:
        super().__init__()
        self._points, self._room, self._should_stop = points, room, should_stop
        self._given: set[str] = set()

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune saves what it was given for a restore that is never asked for

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]
        """The next trial, under the id that Tune gives it; None where it has to wait."""
        if self._should_stop():
            return Searcher.FINISHED
        if len(self._given) >= self._room():
            return None
        point = next(self._points, None)
        if point is None:
            return Searcher.FINISHED
        self._given.add(trial_id)
        return {"trial": point}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """It is over, well or not, and makes room."""
        del result, error
        self._given.discard(trial_id)

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Nothing is ever restored."""
