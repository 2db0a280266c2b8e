"""equal-norms: every example has the same say in a step, however large its gradient is."""

from typing import Any, Literal

from trainables.registry import Choice, Entry


class EqualNorms(Choice):
    """d = r/b sum_i g_i / ||g_i||, r the mean norm of the batch; examples without a gradient have no say."""

    name: Literal["equal-norms"]


ENTRY = Entry(EqualNorms, "coherence_extras.equal_norms:build", "gradients scaled to one length", "norms", api=1)


def build(choice: EqualNorms, tail_count: int | None) -> Any:
    """An aggregator that needs `norms`: ||g_i|| of the b examples, and weighted sums of their gradients."""
    from trainables.aggregators.interface import Aggregator

    del choice, tail_count

    class Rule(Aggregator):
        def update(self, given, state):
            norms = given.norms()
            weights = norms.mean() / (norms * len(norms))
            return given.weighted_sum(weights.where(norms > 0, 0.0)), state

    return Rule()
