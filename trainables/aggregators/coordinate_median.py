"""coordinate-median: in every coordinate the median of the examples' values.

For an even batch, the mean of the two middle values. Identical rows give that row; a coordinate in which at
most floor((b-1)/2) examples are non-zero gives exactly 0, and so do orthogonal rows with one non-zero each.
ReLU networks on sparse inputs therefore do not train under it: an example's gradient is 0 wherever its input
or unit is, and most coordinates never move. Winsorized SGD at level 50 is this rule.
"""

from trainables.aggregators import CoordinateMedian
from trainables.aggregators.interface import Aggregator, State
from trainables.gradients.selection import coordinate_median
from trainables.gradients.types import Direction, RowStream


class CoordinateMedianAggregator(Aggregator[RowStream]):
    """d_j = median over i of g_ij."""

    def update(self, given: RowStream, state: State) -> tuple[Direction | None, State]:
        """Reduce one tensor after the other."""
        return Direction({name: coordinate_median(rows) for name, rows in given}), state


def build(choice: CoordinateMedian, tail_count: int | None) -> CoordinateMedianAggregator:
    """No parameters."""
    del choice, tail_count
    return CoordinateMedianAggregator()
