"""median-of-3: coordinate-wise median of the mean gradients of three thirds of the shuffled batch (M3).

Zielinski, Krishnan and Chatterjee (2020). Their released code takes three consecutive batches of size B:
that is this rule at batch size 3B.
"""

from trainables.aggregators import MedianOf3
from trainables.aggregators.interface import Aggregator, State, median_of_three
from trainables.gradients.types import Direction, GroupMeans


class MedianOf3Aggregator(Aggregator[GroupMeans]):
    """d_j = median of the three group means of coordinate j."""

    def update(self, given: GroupMeans, state: State) -> tuple[Direction | None, State]:
        """The median of the three."""
        a, b, c = (mean.tensors for mean in given.means)
        return Direction({name: median_of_three(a[name], b[name], c[name]) for name in a}), state


def build(choice: MedianOf3, tail_count: int | None) -> MedianOf3Aggregator:
    """No parameters."""
    del choice, tail_count
    return MedianOf3Aggregator()
