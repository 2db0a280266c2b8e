"""noise-scale: B = tr Sigma / ||mu||^2 = 1/alpha - 1 (McCandlish et al. 2018, arXiv 1812.06162), of alpha unbiased.

Range: from 0; negative where the unbiased alpha is. Identical gradients 0; orthogonal: undefined (infinite); opposite
-m. Quantity `noise-scale`, in examples.
"""

from trainables.estimators import alpha_unbiased_of_one, noise_scale
from trainables.instruments import NoiseScale
from trainables.instruments.interface import Reading, State, Statistics, undefined


def measure(choice: NoiseScale, given: Statistics, state: State) -> tuple[list[Reading], State]:
    """One reading."""
    del choice
    alpha = alpha_unbiased_of_one(given.n, given.q, given.s2, given.k)
    if alpha is None:
        return [undefined("noise-scale", "the unbiased alpha is undefined", n=given.n)], state
    value = noise_scale(alpha)
    if value is None:
        return [undefined("noise-scale", "infinite: the unbiased alpha is 0", n=given.n)], state
    return [Reading("noise-scale", value, n=given.n)], state
