"""What instruments are given and what they give.

An instrument is a pure function `(choice, given, state) -> (readings, state)`, called for each layer and for the whole
network (`*`) at each of its due steps. `given` is one of the types below, as the entry's facts say; `state` is empty at
first, and all that a bit-exact resume needs.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from trainables.gradients.types import Statistics

Array = npt.NDArray[np.float64]
State = dict[str, Tensor]

__all__ = ["Directions", "Dots", "Gram", "HeldOutSums", "Moments", "Reading", "State", "Statistics", "undefined"]


@dataclass(frozen=True)
class Reading:
    """One value of an instrument. group None: the one that was asked about. n: units it rests on. low, high: the band
    of null worlds. reason: why the value is null."""

    quantity: str
    value: float | None
    group: str | None = None
    n: int | None = None
    low: float | None = None
    high: float | None = None
    reason: str | None = None


def undefined(quantity: str, reason: str, *, group: str | None = None, n: int | None = None) -> Reading:
    """A reading without a value."""
    return Reading(quantity, None, group, n, reason=reason)


@dataclass(frozen=True)
class Moments:
    """Per coordinate, float64 [P]: total_j = sum_i g_ij and squares_j = sum_i g_ij^2 over n examples."""

    n: int
    total: Tensor
    squares: Tensor


@dataclass(frozen=True)
class Directions:
    """gram [C, C]: U_a . U_b, U_a the sum of g_i / ||g_i|| over the counts[a] examples of class a with a gradient."""

    gram: Array
    counts: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Dots:
    """values [m]: g_i . S, S the sum over all m examples. corrupt [m]: tags. worlds(r): tags of r null worlds
    [r, m], dealt again at random, the same at every step. step: updates made."""

    values: Array
    corrupt: npt.NDArray[np.bool_]
    worlds: Callable[[int], npt.NDArray[np.bool_]]
    step: int


@dataclass(frozen=True)
class HeldOutSums:
    """n training examples with sum S, held held-out ones with sum H: s2 = ||S||^2, dot = S . H, h2 = ||H||^2."""

    n: int
    held: int
    s2: float
    dot: float
    h2: float


@dataclass(frozen=True)
class Gram:
    """values [m, m]: g_i . g_j of the first m examples of the sample; labels [m]: their given labels."""

    values: Array
    labels: npt.NDArray[np.int64]
