"""The order of a campaign's actions: drawn at random, with each kind as often as it is named before any comes again."""

import random
from collections.abc import Sequence


class Schedule:
    """Deals `actions` like a pack of cards, shuffled anew whenever it is used up; so a long campaign draws every kind,
    and a short one's missing kinds show as 0."""

    def __init__(self, actions: Sequence[str], rng: random.Random) -> None:
        self._actions, self._rng = list(actions), rng
        self._left: list[str] = []

    def draw(self) -> str:
        """The next action."""
        if not self._left:
            self._left = self._rng.sample(self._actions, len(self._actions))
        return self._left.pop()

    def put_back(self, action: str) -> None:
        """It could not be done just now: deal it again, after one other."""
        self._left.insert(max(len(self._left) - 1, 0), action)
