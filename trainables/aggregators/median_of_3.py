"""median-of-3: coordinate-wise median of the mean gradients of three thirds of the shuffled batch (M3).

Zielinski, Krishnan and Chatterjee (2020). Their released code takes three consecutive batches of size B:
that is this rule at batch size 3B.
"""

from trainables.aggregators import MedianOf3
from trainables.aggregators.interface import Aggregator, State
from trainables.gradients.middle import median_of_three
from trainables.gradients.types import Direction, Groups


class MedianOf3Aggregator(Aggregator[Groups]):
    """d_j = median of the three group means of coordinate j."""

    def update(self, given: Groups, state: State) -> tuple[Direction | None, State]:
        """The median of the three."""
        return Direction({name: median_of_three(*means) for name, means in given.tensors()}), state


def build(choice: MedianOf3, tail_count: int | None) -> MedianOf3Aggregator:
    """No parameters."""
    del choice, tail_count
    return MedianOf3Aggregator()
