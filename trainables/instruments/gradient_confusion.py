"""gradient-confusion: how far the most opposed pair opposes (Sankararaman et al. 2020, arXiv 1904.06963).

`confusion`: the smallest eta >= 0 with g_i . g_j >= -eta for all distinct pairs, in squared gradient units; `cosine`:
the smallest cosine, in [-1, 1]; `negative`: share of pairs with g_i . g_j < 0. Identical gradients: 0, 1, 0;
orthogonal: 0, 0, 0; two opposite ones: ||g||^2, -1, 1. The worst pair of a subsample, not a mean: it grows with it.
"""

from trainables.instruments import GradientConfusion
from trainables.instruments.interface import Gram, Reading, State, undefined
from trainables.instruments.pairs import pair_cosines, pair_values


def measure(choice: GradientConfusion, given: Gram, state: State) -> tuple[list[Reading], State]:
    """Three readings."""
    del choice
    m, dots, cosines = len(given.values), pair_values(given.values), pair_cosines(given)
    readings = [
        Reading("confusion", max(0.0, -float(dots.min())), n=m),
        Reading("negative", float((dots < 0).mean()), n=m),
    ]
    if len(cosines):
        readings.append(Reading("cosine", float(cosines.min()), n=m))
    else:
        readings.append(undefined("cosine", "no pair of examples with a gradient", n=m))
    return readings, state
