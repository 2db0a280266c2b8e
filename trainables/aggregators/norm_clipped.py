"""norm-clipped: each example's whole gradient scaled to a norm of at most `clip`, then averaged.

The norm is over all parameters together, so a clipped gradient keeps its direction. ||d|| <= clip. Identical rows
g give g min(1, clip / ||g||); n orthogonal rows longer than clip give a norm of clip / sqrt(n); two halves of
opposite rows give 0. Not of the papers: the rule of differentially private SGD, without its noise.
"""

import torch

from trainables.aggregators import NormClipped
from trainables.aggregators.interface import Aggregator, State
from trainables.gradients.types import Direction, Examples


class NormClippedAggregator(Aggregator[Examples]):
    """d = (1/b) sum_i g_i min(1, clip / ||g_i||)."""

    def __init__(self, clip: float) -> None:
        self._clip = clip

    def update(self, given: Examples, state: State) -> tuple[Direction | None, State]:
        """All norms first, then one weighted sum."""
        norms = given.norms()
        weights = torch.where(norms > self._clip, self._clip / norms, 1.0) / len(norms)
        return given.weighted_sum(weights), state


def build(choice: NormClipped, tail_count: int | None) -> NormClippedAggregator:
    """The largest norm is a parameter of the choice."""
    del tail_count
    return NormClippedAggregator(choice.clip)
