"""rolling-median-of-3 (RM3) and its control rolling-mean-of-3 (RA3): over the last three batch gradients.

Zielinski, Krishnan and Chatterjee (2020). Nothing is applied until the third step. As in
their released code, weight decay enters each batch gradient before the median; for RA3 it is added after.
"""

from collections.abc import Callable

from torch import Tensor

from trainables.aggregators import RollingMeanOf3, RollingMedianOf3
from trainables.aggregators.interface import Aggregator, State
from trainables.gradients.middle import median_of_three
from trainables.gradients.types import Direction


class RollingAggregator(Aggregator[Direction]):
    """d_j = combine(g_j(t-2), g_j(t-1), g_j(t)); state: the two gradients before this one."""

    def __init__(self, combine: Callable[[Tensor, Tensor, Tensor], Tensor], *, decay_first: bool) -> None:
        self._combine, self.decay_first = combine, decay_first

    def update(self, given: Direction, state: State) -> tuple[Direction | None, State]:
        """Idle for two steps, then combine."""
        after = {f"0/{name}": tensor for name, tensor in given.tensors.items()}
        after |= {f"1/{key.removeprefix('0/')}": tensor for key, tensor in state.items() if key.startswith("0/")}
        if not any(key.startswith("1/") for key in state):
            return None, after
        combined = {
            name: self._combine(state[f"1/{name}"], state[f"0/{name}"], tensor)
            for name, tensor in given.tensors.items()
        }
        return Direction(combined), after


def build_median(choice: RollingMedianOf3, tail_count: int | None) -> RollingAggregator:
    """RM3."""
    del choice, tail_count
    return RollingAggregator(median_of_three, decay_first=True)


def build_mean(choice: RollingMeanOf3, tail_count: int | None) -> RollingAggregator:
    """RA3."""
    del choice, tail_count
    return RollingAggregator(lambda a, b, c: (a + b + c) / 3, decay_first=False)
