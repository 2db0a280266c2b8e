"""mean: the mini-batch gradient itself."""

from trainables.aggregators import Mean
from trainables.aggregators.interface import Aggregator, State
from trainables.gradients.types import Direction


class MeanAggregator(Aggregator[Direction]):
    """d = (1/b) sum_i g_i."""

    def update(self, given: Direction, state: State) -> tuple[Direction | None, State]:
        """The gradient as it is."""
        return given, state


def build(choice: Mean, tail_count: int | None) -> MeanAggregator:
    """No parameters."""
    del choice, tail_count
    return MeanAggregator()
