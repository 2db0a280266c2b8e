"""trimmed-mean: in every coordinate the k extreme values of each tail are dropped, the rest averaged.

k from the level as in `tail_count`; k = 0 is the mean, k = floor((b-1)/2) the coordinate-wise median. The result
lies within the values that are left. Identical rows give that row; two halves of opposite rows give 0.
Not of the papers: the textbook estimator beside their winsorized mean.
"""

from trainables.aggregators import TrimmedMean
from trainables.aggregators.interface import Aggregator, State
from trainables.gradients.selection import trimmed_mean
from trainables.gradients.types import Direction, RowStream


class TrimmedMeanAggregator(Aggregator[RowStream]):
    """d_j = 1/(b - 2k) sum of g_ij over all i but the k smallest and the k largest of column j."""

    def __init__(self, k: int) -> None:
        self._k = k

    def update(self, given: RowStream, state: State) -> tuple[Direction | None, State]:
        """Reduce one tensor after the other."""
        return Direction({name: trimmed_mean(rows, self._k) for name, rows in given}), state


def build(choice: TrimmedMean, tail_count: int | None) -> TrimmedMeanAggregator:
    """`tail_count` is k for the trial's batch size."""
    assert tail_count is not None, choice
    return TrimmedMeanAggregator(tail_count)
