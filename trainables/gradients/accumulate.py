"""What compiled rows end with: a row is squared and added to the sum while it is in cache; and norms without rows."""

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


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def outer_norms(x: Array, d: Array, norms: Array) -> None:
    """norms[0, n] = ||d[n]||^2 ||x[n]||^2 (of the outer product), norms[1, n] = ||d[n]||^2; x [N, I], d [N, O]."""
    for n in range(x.shape[0]):
        one, other = x[n], d[n]
        left = right = x.dtype.type(0)
        for i in range(one.size):
            right += one[i] * one[i]
        for o in range(other.size):
            left += other[o] * other[o]
        norms[0, n], norms[1, n] = float(left) * float(right), float(left)
