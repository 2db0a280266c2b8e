"""What all compiled rows end with: a row is squared and added to the sum while it is in cache."""

import numpy.typing as npt
from numba import njit

Array = npt.NDArray

FAST = {"reassoc", "contract", "nsz"}
"""Sums may be taken in several lanes; infinities and NaN are kept."""


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def add_row(row: Array, total: Array) -> float:
    """total += row; the squared norm of row."""
    square = row.dtype.type(0)
    for j in range(row.size):
        square += row[j] * row[j]
        total[j] += row[j]
    return float(square)
