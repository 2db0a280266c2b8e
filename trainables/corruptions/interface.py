"""What a corruption is given and what it gives.

A corruption is a pure function `(choice, arrays, classes, seed) -> Corrupted` that leaves the arrays it is given
as they are. Draws are keyed by (seed, purpose, index), so that sets selected at a larger fraction contain those of
a smaller one, and every trial of a seed corrupts alike.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trainables.datasets.arrays import Arrays
from trainables.seeding import uniforms


@dataclass(frozen=True)
class Corrupted:
    """arrays: what to train and test on, `train_y` being the given labels; parts that do not change are shared.

    selected: bool [n], drawn by the corruption, whether or not anything changed. Corrupt examples are those whose
    given label differs from the original, which a corruption of pixels never makes.
    """

    arrays: Arrays
    selected: npt.NDArray[np.bool_]


def selection(seed: int, size: int, fraction: float) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """u_i of each of `size` examples, and whether it is selected: u_i < fraction. The same for every corruption."""
    u = uniforms(seed, "corruption/select", np.arange(size))
    return u, u < fraction
