"""linear-example: six features, four training rows, one test row (Chatterjee and Zielinski 2022, section 3)."""

import numpy as np

from trainables.datasets import LinearExample
from trainables.datasets.arrays import Arrays

SIGNS = np.array([1, -1, -1, 1, -1])


def load(choice: LinearExample) -> Arrays:
    """Row i is s_i e_i, plus s_i e_6 in the `real` world; label 1 for s = +1 and 0 for s = -1."""
    x = np.zeros((5, 6), dtype=np.float32)
    x[np.arange(5), np.arange(5)] = SIGNS
    if choice.world == "real":
        x[:, 5] = SIGNS
    y = (SIGNS > 0).astype(np.int64)
    return Arrays(x[:4], y[:4], x[4:], y[4:])
