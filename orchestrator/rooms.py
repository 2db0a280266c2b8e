"""When the last of some trials ends that take different shares of the nodes' processors and GPUs.

Trials of one shape begin in the order given; whenever something is free, of the shapes whose next trial fits somewhere
the one goes first that stands first. A share below 1 lies on one device, as Ray places it.
"""

import heapq
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from orchestrator.resources import Node, Resources

SLACK = 1e-9
"""Sums of fractions are off by less."""


@dataclass
class _Room:
    """What is free on a node."""

    cpu: float
    devices: list[float]

    def take(self, wanted: Resources) -> tuple[int, ...] | None:
        """The devices that a trial gets, none of them where it wants none; None where it does not fit."""
        if wanted.cpu > self.cpu + SLACK:
            return None
        share, count = (wanted.gpu, 1) if wanted.gpu < 1 else (1.0, round(wanted.gpu))
        fitting = [index for index, free in enumerate(self.devices) if free + SLACK >= share]
        chosen = sorted(fitting, key=lambda index: self.devices[index])[: count if wanted.gpu else 0]
        if wanted.gpu and len(chosen) < count:
            return None
        self._change(wanted, chosen, -1)
        return tuple(chosen)

    def give(self, wanted: Resources, devices: Sequence[int]) -> None:
        """A trial has ended."""
        self._change(wanted, devices, 1)

    def _change(self, wanted: Resources, devices: Sequence[int], sign: int) -> None:
        self.cpu += sign * wanted.cpu
        for index in devices:
            self.devices[index] += sign * min(wanted.gpu, 1.0)


@dataclass
class _Floor:
    """All nodes, the trials that wait and those that run."""

    rooms: list[_Room]
    waiting: dict[Resources, deque[tuple[int, float]]]
    running: list[tuple[float, int, int, Resources, tuple[int, ...]]] = field(default_factory=list)

    def begin(self, now: float, index: int) -> None:
        """Start whatever fits on this node."""
        while self._begin_one(now, index):
            pass

    def end_one(self) -> tuple[float, int]:
        """The trial that ends next leaves: when that is, and from which node. Raises IndexError where none runs."""
        end, _, index, wanted, devices = heapq.heappop(self.running)
        self.rooms[index].give(wanted, devices)
        return end, index

    def _begin_one(self, now: float, index: int) -> bool:
        for wanted in sorted((one for one in self.waiting if self.waiting[one]), key=lambda one: self.waiting[one][0]):
            if (devices := self.rooms[index].take(wanted)) is not None:
                number, seconds = self.waiting[wanted].popleft()
                heapq.heappush(self.running, (now + seconds, number, index, wanted, devices))
                return True
        return False


def last_end(trials: Iterable[tuple[float, Resources]], nodes: Sequence[Node]) -> float:
    """Seconds until the last of these (seconds, what it takes) ends. Raises ValueError where one fits on no node."""
    waiting: dict[Resources, deque[tuple[int, float]]] = {}
    for number, (seconds, wanted) in enumerate(trials):
        waiting.setdefault(wanted, deque()).append((number, seconds))
    floor = _Floor([_Room(node.get("CPU", 0.0), [1.0] * int(node.get("GPU", 0))) for node in nodes], waiting)
    now = 0.0
    for index in range(len(nodes)):
        floor.begin(now, index)
    while floor.running:
        now, index = floor.end_one()
        floor.begin(now, index)  # nothing that waits fits on another: it did not before
    if stuck := [wanted for wanted, queue in waiting.items() if queue]:
        raise ValueError(f"no node holds {stuck}")
    return now
