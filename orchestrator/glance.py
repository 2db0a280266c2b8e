"""What a screen shows of a store beside the states of trials: newest values of m-coherence, classes of failures."""

import math
import threading
from collections import Counter
from collections.abc import Iterable, Mapping

from orchestrator.reading import DAMAGE, Damage
from orchestrator.rows import rows_of
from orchestrator.states import failure_of, is_finished
from orchestrator.store import Store

VALUES = 240
EVERY_S = 3.0


def newest_values(store: Store, trial_id: str) -> list[float]:
    """m-coherence of the training batch at the last measured steps, from the newest part alone; NaN where undefined,
    empty before the first part."""
    try:
        rows = rows_of("steps", trial_id, store.parts("steps", trial_id)[-1:])
    except DAMAGE:  # a resume is making that part again
        return []
    values = rows.filter(rows["n"].is_not_null())["m_coherence"].to_list()[-VALUES:]
    return [math.nan if value is None else float(value) for value in values]


def curves_of(store: Store, arms: Mapping[str, str], trials: Iterable[str]) -> dict[str, list[float]]:
    """By arm, of the last of these trials that has any."""
    return {arms[identity]: values for identity in trials if (values := newest_values(store, identity))}


def classes_of(store: Store, trials: Iterable[str]) -> dict[str, int]:
    """How many of these failed trials failed of what."""
    damage = Damage()
    return dict(Counter(failure_of(store, identity, damage) for identity in trials))


def last_of_each(states: Mapping[str, str], arms: Mapping[str, str]) -> list[str]:
    """Of every arm the last trial that is over, then those that run: whose curves a screen shows."""
    over = {arms[identity]: identity for identity, state in states.items() if is_finished(state)}
    return [*over.values(), *(identity for identity, state in states.items() if state == "running")]


class Glance:
    """Both, read by a thread of its own every few seconds, so that a slow store delays nobody."""

    def __init__(self, store: Store, arms: Mapping[str, str]) -> None:
        self._store, self._arms = store, arms
        self._wanted: tuple[list[str], list[str]] = ([], [])
        self.curves: dict[str, list[float]] = {}
        self.failures: dict[str, int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """Read no more; a look that is under way is not waited for."""
        self._stop.set()

    def want(self, curves: Iterable[str], failed: Iterable[str]) -> None:
        """Trials to look at next: curves of these, why those failed."""
        self._wanted = (list(curves), list(failed))

    def look(self) -> None:
        """Read once, in the caller's thread."""
        curves, failed = self._wanted
        self.curves = {**self.curves, **curves_of(self._store, self._arms, curves)}
        self.failures = classes_of(self._store, failed)

    def _read(self) -> None:
        while not self._stop.wait(EVERY_S if self.curves else 0.5):
            self.look()
