"""Dot products of a few long vectors, four by four in registers: a coordinate is read once for sixteen products."""

import numpy as np
import numpy.typing as npt
from numba import njit

from trainables.gradients.accumulate import FAST

Array = npt.NDArray

SIDE = 4
"""Vectors on each side of a tile."""


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def add_dots(a: Array, columns: int, gram: Array) -> None:
    """gram[i, j] += a[i] . a[j] for j <= i, in float64; of gram above the diagonal tiles nothing is touched.

    a [C, P] in single or double precision, contiguous; so many columns at a time. gram is as large as the next
    multiple of SIDE, what lies beyond C is junk.
    """
    for start in range(0, a.shape[1], columns):
        part = (start, min(start + columns, a.shape[1]))
        for i in range(0, a.shape[0], SIDE):
            for j in range(0, i + 1, SIDE):
                _tile(a, part, i, j, gram)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _tile(a: Array, part: tuple[int, int], i: int, j: int, gram: Array) -> None:
    last, (begin, end) = a.shape[0] - 1, part
    a0, a1 = a[i, begin:end], a[min(i + 1, last), begin:end]
    a2, a3 = a[min(i + 2, last), begin:end], a[min(i + 3, last), begin:end]
    b0, b1 = a[j, begin:end], a[min(j + 1, last), begin:end]
    b2, b3 = a[min(j + 2, last), begin:end], a[min(j + 3, last), begin:end]
    s00 = s01 = s02 = s03 = s10 = s11 = s12 = s13 = 0.0
    s20 = s21 = s22 = s23 = s30 = s31 = s32 = s33 = 0.0
    for k in range(a0.size):
        x0, x1, x2, x3 = np.float64(a0[k]), np.float64(a1[k]), np.float64(a2[k]), np.float64(a3[k])
        y0, y1, y2, y3 = np.float64(b0[k]), np.float64(b1[k]), np.float64(b2[k]), np.float64(b3[k])
        s00, s01, s02, s03 = s00 + x0 * y0, s01 + x0 * y1, s02 + x0 * y2, s03 + x0 * y3
        s10, s11, s12, s13 = s10 + x1 * y0, s11 + x1 * y1, s12 + x1 * y2, s13 + x1 * y3
        s20, s21, s22, s23 = s20 + x2 * y0, s21 + x2 * y1, s22 + x2 * y2, s23 + x2 * y3
        s30, s31, s32, s33 = s30 + x3 * y0, s31 + x3 * y1, s32 + x3 * y2, s33 + x3 * y3
    _add(gram[i], j, s00, s01, s02, s03)
    _add(gram[i + 1], j, s10, s11, s12, s13)
    _add(gram[i + 2], j, s20, s21, s22, s23)
    _add(gram[i + 3], j, s30, s31, s32, s33)


@njit(cache=True, nogil=True, error_model="numpy")
def _add(row: Array, j: int, s0: float, s1: float, s2: float, s3: float) -> None:
    row[j] += s0
    row[j + 1] += s1
    row[j + 2] += s2
    row[j + 3] += s3
