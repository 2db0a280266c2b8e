"""one-step-generalisation: OSGR(m) = m alpha / (1 + (m-1) alpha), alpha unbiased (Liu et al. 2020, arXiv 2001.07384).

The expected decrease of the held-out loss over that of the training loss, in one small full-batch step on m examples,
as long as training and held-out gradients are distributed alike; that fails late in training: see `held-out`. Range up
to 1. Identical gradients 1; orthogonal 0; opposite: undefined (the training loss does not move). Quantity `ratio`.
"""

from trainables.estimators import alpha_of_mean, alpha_unbiased_of_one
from trainables.instruments import OneStepGeneralisation
from trainables.instruments.interface import Reading, State, Statistics, undefined


def measure(choice: OneStepGeneralisation, given: Statistics, state: State) -> tuple[list[Reading], State]:
    """One reading, for m = all examples of the group."""
    del choice
    alpha, m = alpha_unbiased_of_one(given.n, given.q, given.s2, given.k), given.n * given.k
    if alpha is None:
        return [undefined("ratio", "the unbiased alpha is undefined", n=given.n)], state
    if given.s2 == 0 or 1 + (m - 1) * alpha == 0:
        return [undefined("ratio", "the mean gradient is 0: the training loss does not move", n=given.n)], state
    return [Reading("ratio", alpha_of_mean(alpha, m), n=given.n)], state
