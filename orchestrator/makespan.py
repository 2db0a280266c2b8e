"""How long a list of trials takes when each starts, in order, in the first slot that is free."""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from orchestrator.estimates import Amount


@dataclass(frozen=True)
class Placed:
    """Where and when a trial of the list runs."""

    slot: int
    start: float
    end: float


def schedule(seconds: Iterable[float], slots: int) -> Iterator[Placed]:
    """Each trial in its place, in the order given."""
    free = [(0.0, slot) for slot in range(slots)]
    for taken in seconds:
        start, slot = free[0]
        heapq.heapreplace(free, (start + taken, slot))
        yield Placed(slot, start, start + taken)


def makespan(amounts: Iterable[Amount], slots: int) -> Amount:
    """Seconds until the last ends. Each end of the interval is scheduled on its own, as if all erred to one side."""
    each = list(amounts)
    ends = (
        max((placed.end for placed in schedule((getattr(one, end) for one in each), slots)), default=0.0)
        for end in ("middle", "low", "high")
    )
    return Amount(*ends)
