"""sign-of-sum: a step of fixed size along the sign of the summed gradient, per coordinate.

Every coordinate of d is -scale, 0 or scale, whatever the gradients' length; identical rows give scale sign(row),
two halves of opposite rows 0. Policy `sign_sum` of the released code of Chatterjee (2020), which steps by
0.001 times the sign: scale 0.001 at a learning rate of 1, since the rate multiplies scale here.
"""

from trainables.aggregators import SignOfSum
from trainables.aggregators.interface import Aggregator, State
from trainables.gradients.types import Direction


class SignOfSumAggregator(Aggregator[Direction]):
    """d_j = scale sign(sum_i g_ij)."""

    def __init__(self, scale: float) -> None:
        self._scale = scale

    def update(self, given: Direction, state: State) -> tuple[Direction | None, State]:
        """The sum has the sign of the mean."""
        return Direction({name: mean.sign() * self._scale for name, mean in given.tensors.items()}), state


def build(choice: SignOfSum, tail_count: int | None) -> SignOfSumAggregator:
    """The size of a step is a parameter of the choice."""
    del tail_count
    return SignOfSumAggregator(choice.scale)
