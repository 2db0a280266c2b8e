"""sign-stiffness: mean sign of g_i . g_j over distinct pairs (Fort et al. 2019, arXiv 1901.09491).

Quantities `all`, `within` (pairs of one class) and `between`. Range [-1, 1]. Identical gradients 1, orthogonal 0, of m
gradients half of which oppose the other half -1/(m-1). Needs the Gram matrix, so it is taken on a subsample.
"""

import numpy as np

from trainables.instruments import SignStiffness
from trainables.instruments.interface import Array, Gram, Reading, State, undefined
from trainables.instruments.pairs import pair_values, same_class


def measure(choice: SignStiffness, given: Gram, state: State) -> tuple[list[Reading], State]:
    """Three readings."""
    del choice
    signs, same, m = np.sign(pair_values(given.values)), same_class(given), len(given.values)
    return [_mean("all", signs, m), _mean("within", signs[same], m), _mean("between", signs[~same], m)], state


def _mean(quantity: str, signs: Array, m: int) -> Reading:
    if not len(signs):
        return undefined(quantity, "no such pair", n=m)
    return Reading(quantity, float(signs.mean()), n=m)
