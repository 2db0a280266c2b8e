"""winsorized: in every coordinate the k extreme values of each tail are pulled in, then averaged.

Chatterjee (2020), section on winsorized SGD; k from the level as in `tail_count`. k = 0 is the mean.
"""

from trainables.aggregators import Winsorized
from trainables.aggregators.interface import Aggregator, State
from trainables.gradients.selection import winsorized_mean
from trainables.gradients.types import Direction, RowStream


class WinsorizedAggregator(Aggregator[RowStream]):
    """d_j = (1/b) sum_i clip(g_ij, l_j, u_j), l_j and u_j the (k+1)-th smallest and largest of column j."""

    def __init__(self, k: int) -> None:
        self._k = k

    def update(self, given: RowStream, state: State) -> tuple[Direction | None, State]:
        """Reduce one tensor after the other."""
        return Direction({name: winsorized_mean(rows, self._k) for name, rows in given}), state


def build(choice: Winsorized, tail_count: int | None) -> WinsorizedAggregator:
    """`tail_count` is k for the trial's batch size."""
    assert tail_count is not None, choice
    return WinsorizedAggregator(tail_count)
