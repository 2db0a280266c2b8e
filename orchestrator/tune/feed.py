"""Gives Tune the trials of a launch one at a time, so that it never holds more than a few."""

from collections.abc import Callable, Iterator
from typing import Any

from ray.tune.search import Searcher


class Feed(Searcher):
    """The points in their order, each when Tune has room for it; no more once a stop was requested.

    Tune asks for another as long as fewer are waiting than TUNE_MAX_PENDING_TRIALS_PG says. A grid would be held whole,
    from its first trial to its last.
    """

    def __init__(self, points: Iterator[dict[str, Any]], should_stop: Callable[[], bool]) -> None:
        super().__init__()
        self._points, self._should_stop = points, should_stop

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune saves what it was given for a restore that is never asked for

    def suggest(self, trial_id: str) -> dict[str, Any] | str:  # type: ignore[override]
        """The next trial."""
        del trial_id
        point = None if self._should_stop() else next(self._points, None)
        return Searcher.FINISHED if point is None else {"trial": point}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Nothing is learnt from a trial."""

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Nothing is ever restored."""
