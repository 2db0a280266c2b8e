"""cosine-stiffness: mean cosine of distinct examples' gradients (Fort et al. 2019, arXiv 1901.09491), in order m.

With u_i = g_i / ||g_i||: over all pairs (||sum u||^2 - m) / (m (m-1)); within class a
(||U_a||^2 - n_a) / (n_a (n_a-1)); between classes U_a . U_b / (n_a n_b). Quantities `all`, `within` and `between`
(means over pairs of examples, so that large classes weigh more), and `class` for each class or pair of classes. Range
[-1, 1]. Identical gradients 1, orthogonal 0, m opposite ones -1/(m-1). No pair is formed. An example without a
gradient has no direction.
"""

from itertools import combinations

import numpy as np

from trainables.instruments import CosineStiffness
from trainables.instruments.interface import Directions, Reading, State, undefined


def measure(choice: CosineStiffness, given: Directions, state: State) -> tuple[list[Reading], State]:
    """Means over pairs."""
    del choice
    gram, counts = given.gram, given.counts
    m, own = int(counts.sum()), np.diagonal(gram)
    within, between = own.sum() - m, gram.sum() - own.sum()
    pairs = float((counts * (counts - 1)).sum())
    across = float(m * (m - 1)) - pairs
    readings = [
        _mean("all", within + between, pairs + across, m),
        _mean("within", within, pairs, m),
        _mean("between", between, across, m),
    ]
    for a, count in enumerate(counts):
        readings.append(_mean("class", own[a] - count, float(count * (count - 1)), int(count), f"class {a}"))
    for a, b in combinations(range(len(counts)), 2):
        size = int(counts[a] + counts[b])
        readings.append(_mean("class", gram[a, b], float(counts[a] * counts[b]), size, f"class {a} ~ class {b}"))
    return readings, state


def _mean(quantity: str, total: float, pairs: float, n: int, group: str | None = None) -> Reading:
    if pairs == 0:
        return undefined(quantity, "no pair of examples with a gradient", group=group, n=n)
    return Reading(quantity, float(total / pairs), group, n)
