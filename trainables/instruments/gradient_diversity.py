"""gradient-diversity: Q / ||S||^2 and the batch-size bound n Q / ||S||^2 (Yin et al. 2018, arXiv 1706.05699).

Plug-in, as the paper defines them: reciprocals of m-coherence and of alpha. Range of `diversity`: from 1/n. Identical
gradients 1/n and bound 1; orthogonal 1 and n; opposite: undefined (infinite). Units of k > 1 count as they are.
"""

from trainables.estimators import undefined_reason
from trainables.instruments import GradientDiversity
from trainables.instruments.interface import Reading, State, Statistics, undefined


def measure(choice: GradientDiversity, given: Statistics, state: State) -> tuple[list[Reading], State]:
    """Quantities `diversity` and `batch-size-bound` (in units)."""
    del choice
    n = given.n
    reason = undefined_reason(n, given.q, given.s2) or ("infinite: the mean gradient is 0" if given.s2 == 0 else None)
    if reason:
        return [undefined(quantity, reason, n=n) for quantity in ("diversity", "batch-size-bound")], state
    diversity = given.q / given.s2
    return [Reading("diversity", diversity, n=n), Reading("batch-size-bound", n * diversity, n=n)], state
