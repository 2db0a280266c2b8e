"""Compiled selection over examples: the winsorized mean of outer products, coordinate by coordinate.

The kernel keeps the k+1 smallest and k+1 largest of the b values of LANES coordinates at a time in cache,
form the products as they go, and average the clipped products in a second pass over them. The order of
operations is fixed, so a result depends on the inputs alone.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

LANES = 128
"""Coordinates handled together: a constant, so that their loops become vector instructions."""

Array = npt.NDArray


@njit(cache=True, error_model="numpy")
def _load(right: Array, start: int, tile: Array) -> int:
    """Copy LANES columns of right [b, I] from `start` into tile [b, LANES], zeros beyond I; the columns copied."""
    width = min(LANES, right.shape[1] - start)
    for i in range(right.shape[0]):
        for c in range(width):
            tile[i, c] = right[i, start + c]
        for c in range(width, LANES):
            tile[i, c] = 0
    return width


@njit(cache=True, error_model="numpy")
def _clipped_mean(left: Array, o: int, tile: Array, low: Array, high: Array, total: Array) -> None:
    """total = mean over i of left[i, o] tile[i] clipped to [low, high]."""
    b = tile.shape[0]
    total[:] = 0
    for i in range(b):
        f = left[i, o]
        for c in range(LANES):
            total[c] += min(max(f * tile[i, c], low[c]), high[c])
    for c in range(LANES):
        total[c] /= b


@njit(cache=True, error_model="numpy")
def _two_extremes(left: Array, o: int, tile: Array, e: Array) -> None:
    """Two smallest (e[0], e[1]) and two largest (e[2], e[3]) of left[i, o] tile[i], four examples at a time."""
    b = tile.shape[0]
    whole = b - b % 4
    for i in range(0, whole, 4):
        f0, f1, f2, f3 = left[i, o], left[i + 1, o], left[i + 2, o], left[i + 3, o]
        for c in range(LANES):
            t0, t1, t2, t3 = f0 * tile[i, c], f1 * tile[i + 1, c], f2 * tile[i + 2, c], f3 * tile[i + 3, c]
            p, big_p, q, big_q = min(t0, t1), max(t0, t1), min(t2, t3), max(t2, t3)
            one, two = max(p, q), min(big_p, big_q)
            low, high = min(p, q), max(big_p, big_q)
            low0, low1, high0, high1 = e[0, c], e[1, c], e[2, c], e[3, c]
            e[0, c] = min(low0, low)
            e[1, c] = min(max(low0, low), low1, one, two)
            e[2, c] = max(high0, high)
            e[3, c] = max(min(high0, high), high1, one, two)
    for i in range(whole, b):
        f = left[i, o]
        for c in range(LANES):
            t, low0, high0 = f * tile[i, c], e[0, c], e[2, c]
            e[0, c] = min(low0, t)
            e[1, c] = min(e[1, c], max(low0, t))
            e[2, c] = max(high0, t)
            e[3, c] = max(e[3, c], min(high0, t))


@njit(cache=True, error_model="numpy")
def _three_extremes(left: Array, o: int, tile: Array, e: Array) -> None:
    """Three smallest (e[0] to e[2]) and three largest (e[3] to e[5]) of left[i, o] tile[i], two examples at a time.

    Of a pair p <= q, q can only be second smallest or later, and p second largest or later. An odd last
    example goes in beside an infinity of each sign.
    """
    b = tile.shape[0]
    infinity = e.dtype.type(np.inf)
    for i in range(0, b, 2):
        f0, f1, odd = left[i, o], left[min(i + 1, b - 1), o], i + 1 == b
        other = tile[min(i + 1, b - 1)]
        for c in range(LANES):
            t0, t1 = f0 * tile[i, c], f1 * other[c]
            p, q = min(t0, t1), max(t0, t1)
            above, below = (infinity, -infinity) if odd else (q, p)
            a0, a1, a2 = e[0, c], e[1, c], e[2, c]
            m0 = max(a0, p)
            b1, m1 = min(a1, m0), max(a1, m0)
            e[0, c] = min(a0, p)
            e[1, c] = min(b1, above)
            e[2, c] = min(a2, m1, max(b1, above))
            z0, z1, z2 = e[3, c], e[4, c], e[5, c]
            m0 = min(z0, q)
            y1, m1 = max(z1, m0), min(z1, m0)
            e[3, c] = max(z0, q)
            e[4, c] = max(y1, below)
            e[5, c] = max(z2, m1, min(y1, below))


@njit(cache=True, error_model="numpy")
def winsorized_outer(left: Array, right: Array, k: int, out: Array) -> None:
    """out[o, i] = winsorized mean over n of left[n, o] right[n, i], k in (1, 2) values per tail.

    left [b, O], right [b, I], out [O, I], of one floating type.
    """
    tile = np.empty((right.shape[0], LANES), right.dtype)
    e = np.empty((2 * k + 2, LANES), right.dtype)
    total = np.empty(LANES, right.dtype)
    for start in range(0, right.shape[1], LANES):
        width = _load(right, start, tile)
        for o in range(left.shape[1]):
            e[: k + 1] = np.inf
            e[k + 1 :] = -np.inf
            if k == 1:
                _two_extremes(left, o, tile, e)
            else:
                _three_extremes(left, o, tile, e)
            _clipped_mean(left, o, tile, e[k], e[2 * k + 1], total)
            for c in range(width):
                out[o, start + c] = total[c]
