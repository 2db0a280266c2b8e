"""sum-of-signs: every example votes with the sign of its gradient, per coordinate; the votes are added.

d_j is in [-b scale, b scale]; identical rows give b scale sign(row), two halves of opposite rows 0. Policy
`sum_sign` of the released code of Chatterjee (2020), which steps by 0.001 times the sum: scale 0.001 at a
learning rate of 1, since the rate multiplies scale here.
"""

from trainables.aggregators import SumOfSigns
from trainables.aggregators.interface import Aggregator, State
from trainables.gradients.selection import sum_of_signs
from trainables.gradients.types import Direction, RowStream


class SumOfSignsAggregator(Aggregator[RowStream]):
    """d_j = scale sum_i sign(g_ij)."""

    def __init__(self, scale: float) -> None:
        self._scale = scale

    def update(self, given: RowStream, state: State) -> tuple[Direction | None, State]:
        """Count the votes of one tensor after the other."""
        return Direction({name: sum_of_signs(rows) * self._scale for name, rows in given}), state


def build(choice: SumOfSigns, tail_count: int | None) -> SumOfSignsAggregator:
    """The weight of a vote is a parameter of the choice."""
    del tail_count
    return SumOfSignsAggregator(choice.scale)
