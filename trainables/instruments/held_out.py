"""held-out: what a small step along the training mean gradient does for held-out examples, beside the training sample.

With mean gradients g of n training and h of `held` test examples: `ratio` = g . h / ||g||^2, the empirical counterpart
of `one-step-generalisation`; `cosine` = g . h / (||g|| ||h||). The training sample's own ratio is 1. Range: any real;
below 0 the step harms held-out examples. The held-out gradients the same as the training ones: 1; orthogonal: 0;
opposite: -1. No published source for this form; the one-step ratio it estimates is Liu et al. 2020.
"""

from math import sqrt

from trainables.instruments import HeldOut
from trainables.instruments.interface import HeldOutSums, Reading, State, undefined


def measure(choice: HeldOut, given: HeldOutSums, state: State) -> tuple[list[Reading], State]:
    """Two readings; n is the number of held-out examples."""
    del choice
    if given.s2 == 0:
        reason = "the training mean gradient is 0"
        return [undefined(quantity, reason, n=given.held) for quantity in ("ratio", "cosine")], state
    ratio = Reading("ratio", given.dot / given.s2 * given.n / given.held, n=given.held)
    if given.h2 == 0:
        return [ratio, undefined("cosine", "the held-out mean gradient is 0", n=given.held)], state
    return [ratio, Reading("cosine", given.dot / sqrt(given.s2 * given.h2), n=given.held)], state
