"""cosine-quantiles: quantiles of the cosine over distinct pairs of examples that have a gradient.

Quantities `p05`, `p25`, `median`, `p75`, `p95` and `mean`, which is `cosine-stiffness` of the subsample. Range [-1, 1].
Identical gradients 1, orthogonal 0, two opposite ones -1.
"""

import numpy as np

from trainables.instruments import CosineQuantiles
from trainables.instruments.interface import Gram, Reading, State, undefined
from trainables.instruments.pairs import pair_cosines

QUANTILES = {"p05": 0.05, "p25": 0.25, "median": 0.5, "p75": 0.75, "p95": 0.95}


def measure(choice: CosineQuantiles, given: Gram, state: State) -> tuple[list[Reading], State]:
    """Six readings."""
    del choice
    m, cosines = len(given.values), pair_cosines(given)
    if not len(cosines):
        reason = "no pair of examples with a gradient"
        return [undefined(name, reason, n=m) for name in (*QUANTILES, "mean")], state
    values = np.quantile(cosines, list(QUANTILES.values()))
    readings = [Reading(name, float(value), n=m) for name, value in zip(QUANTILES, values, strict=True)]
    return [*readings, Reading("mean", float(cosines.mean()), n=m)], state
