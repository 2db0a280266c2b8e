"""How far a launch is and how long it still takes: arithmetic and wording, no screen."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from math import ceil, floor

from orchestrator.spread import factor

SEEN = 3
"""Completed trials from which the time left has an interval."""


@dataclass(frozen=True)
class Counts:
    """Trials of a launch by state."""

    total: int
    done: int
    running: int
    failed: int

    @property
    def left(self) -> int:
        """Neither ended nor running."""
        return self.total - self.done - self.running - self.failed


def seconds_left(
    estimates: Mapping[str, float],
    taken: Mapping[str, float],
    running: Mapping[str, float],
    closed: Collection[str],
    slots: int,
) -> float:
    """Seconds until the last trial ends.

    estimates: seconds by trial id, guessed before anything ran. taken: seconds of the completed trials;
    their ratio to the guess scales what is left (a diverged or failed trial says nothing about it).
    running: seconds since the running trials started. closed: ids that ended in whatever way.
    The remaining work is shared by the slots, but no trial runs in two of them.
    """
    guessed = sum(estimates[trial] for trial in taken)
    ratio = sum(taken.values()) / guessed if guessed > 0 else 1.0
    work = [
        max(0.0, seconds * ratio - running.get(trial, 0.0))
        for trial, seconds in estimates.items()
        if trial not in closed
    ]
    return max(sum(work) / max(1, slots), max(work, default=0.0))


def left_between(
    left: float, estimates: Mapping[str, float], taken: Mapping[str, float], closed: Collection[str]
) -> tuple[float, float] | None:
    """10-90 % interval around `left` seconds, from how differently the trials so far took of their guesses.

    None before three have completed. A t interval of prediction on log ratios, for as many trials as are left.
    """
    ratios = [seconds / estimates[trial] for trial, seconds in taken.items() if seconds > 0 and estimates[trial] > 0]
    ahead = len(estimates.keys() - set(closed))
    if len(ratios) < SEEN or not ahead:
        return None
    width = factor(ratios, ahead)
    return left / width, left * width


def span(low: float, high: float) -> str:
    """'20 to 70 s', '40 s to 5 min', '2 to 5 min', '50 min to 3 h', '1.5 to 3.2 h': rounded outwards."""
    lower, upper = _rough(low, floor), _rough(high, ceil)
    return f"{lower[0]} to {' '.join(upper)}" if lower[1] == upper[1] else f"{' '.join(lower)} to {' '.join(upper)}"


def _rough(seconds: float, rounded: Callable[[float], int]) -> tuple[str, str]:
    if seconds < 120:
        return str(rounded(seconds)), "s"
    if seconds < 7200:
        return str(rounded(seconds / 60)), "min"
    return f"{rounded(seconds / 360) / 10:g}", "h"


def duration(seconds: float) -> str:
    """'42 s', '3 min 5 s', '12 min', '2 h 10 min'."""
    minutes, rest = divmod(round(max(0.0, seconds)), 60)
    hours, minutes_left = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes_left} min"
    if minutes >= 10:
        return f"{minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def summary(counts: Counts, elapsed: float, left: float, between: tuple[float, float] | None = None) -> str:
    """'12 of 48 done, 2 running, 34 left, 0 failed; 1 min 2 s gone, about 3 min 0 s left (2 to 5 min)'."""
    text = (
        f"{counts.done} of {counts.total} done, {counts.running} running, {counts.left} left,"
        f" {counts.failed} failed; {duration(elapsed)} gone"
    )
    if not (counts.running or counts.left):
        return text
    return f"{text}, about {duration(left)} left" + (f" ({span(*between)})" if between else "")
