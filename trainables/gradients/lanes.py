"""Compiled selection, many columns at a time: values of one rank sit side by side in a slab of LANES numbers.

Comparing two slabs is min and max of their numbers, so that all columns go through the same sorting network (Batcher's
odd-even merge sort) in vector instructions. Slabs lie one after the other in flat arrays; offsets are constants
wherever possible, which tells the compiler that they do not overlap. Values must not be NaN.
"""

import numpy.typing as npt
from numba import njit

LANES = 128
"""Columns handled together: with their values for some 60 examples they fit the caches of a core."""

GROUP = 8
"""Values sorted in registers at a time, and extreme values kept in each tail."""

HIGHEST = GROUP * LANES
"""Offset of the largest values in the extremes: the smallest eight slabs come first, both ascending."""

Array = npt.NDArray

compiled = njit(cache=True, error_model="numpy", nogil=True)


@compiled
def sort_group(v: Array) -> None:
    """Sort eight slabs."""
    for c in range(LANES):
        a, b, d, e = v[c], v[LANES + c], v[2 * LANES + c], v[3 * LANES + c]
        f, g, h, i = v[4 * LANES + c], v[5 * LANES + c], v[6 * LANES + c], v[7 * LANES + c]
        a, b, d, e = min(a, b), max(a, b), min(d, e), max(d, e)
        f, g, h, i = min(f, g), max(f, g), min(h, i), max(h, i)
        a, b, d, e = min(a, d), min(b, e), max(a, d), max(b, e)
        f, g, h, i = min(f, h), min(g, i), max(f, h), max(g, i)
        b, d, g, h = min(b, d), max(b, d), min(g, h), max(g, h)
        a, f, b, g = min(a, f), max(a, f), min(b, g), max(b, g)
        d, h, e, i = min(d, h), max(d, h), min(e, i), max(e, i)
        d, e, f, g = min(d, f), min(e, g), max(d, f), max(e, g)
        v[c], v[LANES + c], v[2 * LANES + c] = a, min(b, d), max(b, d)
        v[3 * LANES + c], v[4 * LANES + c] = min(e, f), max(e, f)
        v[5 * LANES + c], v[6 * LANES + c], v[7 * LANES + c] = min(g, h), max(g, h), i


@compiled
def keep_smallest(v: Array, x: Array) -> None:
    """x <- the eight smallest of x and v, sorted slabs both: min(x_j, v_7-j) is bitonic, and is sorted."""
    for c in range(LANES):
        a, b = min(x[c], v[7 * LANES + c]), min(x[LANES + c], v[6 * LANES + c])
        d, e = min(x[2 * LANES + c], v[5 * LANES + c]), min(x[3 * LANES + c], v[4 * LANES + c])
        f, g = min(x[4 * LANES + c], v[3 * LANES + c]), min(x[5 * LANES + c], v[2 * LANES + c])
        h, i = min(x[6 * LANES + c], v[LANES + c]), min(x[7 * LANES + c], v[c])
        a, f, b, g = min(a, f), max(a, f), min(b, g), max(b, g)
        d, h, e, i = min(d, h), max(d, h), min(e, i), max(e, i)
        a, b, d, e = min(a, d), min(b, e), max(a, d), max(b, e)
        f, g, h, i = min(f, h), min(g, i), max(f, h), max(g, i)
        x[c], x[LANES + c], x[2 * LANES + c], x[3 * LANES + c] = min(a, b), max(a, b), min(d, e), max(d, e)
        x[4 * LANES + c], x[5 * LANES + c] = min(f, g), max(f, g)
        x[6 * LANES + c], x[7 * LANES + c] = min(h, i), max(h, i)


@compiled
def keep_largest(v: Array, x: Array) -> None:
    """x <- the eight largest of x and v, sorted slabs both: max(x_j, v_7-j) is bitonic, and is sorted."""
    for c in range(LANES):
        a, b = max(x[c], v[7 * LANES + c]), max(x[LANES + c], v[6 * LANES + c])
        d, e = max(x[2 * LANES + c], v[5 * LANES + c]), max(x[3 * LANES + c], v[4 * LANES + c])
        f, g = max(x[4 * LANES + c], v[3 * LANES + c]), max(x[5 * LANES + c], v[2 * LANES + c])
        h, i = max(x[6 * LANES + c], v[LANES + c]), max(x[7 * LANES + c], v[c])
        a, f, b, g = min(a, f), max(a, f), min(b, g), max(b, g)
        d, h, e, i = min(d, h), max(d, h), min(e, i), max(e, i)
        a, b, d, e = min(a, d), min(b, e), max(a, d), max(b, e)
        f, g, h, i = min(f, h), min(g, i), max(f, h), max(g, i)
        x[c], x[LANES + c], x[2 * LANES + c], x[3 * LANES + c] = min(a, b), max(a, b), min(d, e), max(d, e)
        x[4 * LANES + c], x[5 * LANES + c] = min(f, g), max(f, g)
        x[6 * LANES + c], x[7 * LANES + c] = min(h, i), max(h, i)


@compiled
def sort_groups(v: Array, count: int, spare: Array) -> None:
    """Sort `count` groups of eight slabs as one: Batcher's network, with sorted groups in the place of numbers."""
    for g in range(count):
        sort_group(v[g * HIGHEST :])
    span = 1
    while span < count:
        step = span
        while step >= 1:
            for j in range(step % span, count - step, 2 * step):
                for i in range(j, min(j + step, count - step)):
                    if i // (2 * span) == (i + step) // (2 * span):
                        one, other = v[i * HIGHEST :], v[(i + step) * HIGHEST :]
                        spare[:] = one[:HIGHEST]
                        keep_smallest(other, one)
                        keep_largest(spare, other)
            step //= 2
        span *= 2
