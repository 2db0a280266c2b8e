"""Compiled reductions over examples: winsorized and trimmed means of products, column by column.

Column (o, i) has the b values left[n, o] right[n, i]. For each o only its non-zero factors are looked at; the z values
that are left out are zeros, whose place in the order is known: with a the sorted others, the value of rank k of all is
max(a[k - z], min(0, a[k])). Up to EXTREMES values per tail are kept while passing over the batch; beyond, the batch is
sorted. Columns go through in tiles of LANES, always in the same order of operations, so that the result of a column
depends on its own values alone, whatever else is reduced beside it or on however many threads.
"""

import numpy as np

from trainables.gradients.lanes import (
    GROUP,
    HIGHEST,
    LANES,
    Array,
    compiled,
    keep_largest,
    keep_smallest,
    sort_group,
    sort_groups,
)

EXTREMES = GROUP - 1
"""Values per tail that are found without sorting."""


@compiled
def factors_of(left: Array, k: int) -> tuple[Array, Array, Array]:
    """Of left [b, O]: non-zero factors [O, b], their examples [O, b], and how many [O].

    A count of 0 where at most k are not zero, -1 where one is not finite.
    """
    b, outputs = left.shape
    factors = np.zeros((outputs, b), left.dtype)
    places = np.zeros((outputs, b), np.int64)
    counts = np.zeros(outputs, np.int64)
    for o in range(outputs):
        n = 0
        finite = True
        for i in range(b):
            value = left[i, o]
            finite = finite and np.isfinite(value)
            if value != 0:
                factors[o, n] = value
                places[o, n] = i
                n += 1
        counts[o] = -1 if not finite else 0 if n <= k else n
    return factors, places, counts


@compiled
def _load(right: Array, start: int, tile: Array, finite: Array) -> int:
    """Copy LANES columns of right [b, I] from `start` into tile [b, LANES], zeros beyond I; the columns copied.

    finite: 0 for columns without an infinity or NaN, else NaN.
    """
    width = min(LANES, right.shape[1] - start)
    finite[:] = 0
    for i in range(right.shape[0]):
        source, row = right[i, start : start + width], tile[i]
        for c in range(width):
            row[c] = source[c]
        for c in range(width, LANES):
            row[c] = 0
        for c in range(LANES):
            finite[c] += row[c] * 0
    return width


@compiled
def _products(factors: Array, places: Array, n: int, tile: Array, v: Array) -> None:
    """Slab i of v = factors[i] * tile[places[i]]."""
    for i in range(n):
        factor, row, slab = factors[i], tile[places[i]], v[i * LANES : (i + 1) * LANES]
        for c in range(LANES):
            slab[c] = factor * row[c]


@compiled
def _extremes(v: Array, n: int, rest: Array, x: Array) -> None:
    """The eight smallest and the eight largest of n slabs, each eight in ascending order; sorts them in eights.

    The last slabs, fewer than eight, are copied to `rest`, filled up with infinities that no tail keeps.
    """
    x[:HIGHEST] = np.inf
    x[HIGHEST:] = -np.inf
    whole = n - n % GROUP
    for first in range(0, whole, GROUP):
        group = v[first * LANES :]
        sort_group(group)
        keep_smallest(group, x)
        keep_largest(group, x[HIGHEST:])
    if whole < n:
        left = (n - whole) * LANES
        for fill in (np.inf, -np.inf):
            rest[:left] = v[whole * LANES : n * LANES]
            rest[left:] = fill
            sort_group(rest)
            if fill > 0:
                keep_smallest(rest, x)
            else:
                keep_largest(rest, x[HIGHEST:])


@compiled
def _bounds(v: Array, n: int, b: int, k: int, rest: Array, x: Array, bounds: Array) -> None:
    """The two slabs of bounds = values of rank k and b-1-k of n slabs and b-n zeros; reorders the slabs."""
    if k <= EXTREMES:
        _extremes(v, n, rest, x)
        low, high, ordered = k, 2 * GROUP - 1 - k, x
    else:
        groups = -(-n // GROUP)
        v[n * LANES : groups * HIGHEST] = np.inf
        sort_groups(v, groups, rest)
        low, high, ordered = k, n - 1 - k, v
    lows, highs = bounds[:LANES], bounds[LANES:]
    lows[:] = ordered[low * LANES : (low + 1) * LANES]
    highs[:] = ordered[high * LANES : (high + 1) * LANES]
    z, zero = b - n, v.dtype.type(0)
    if z == 0:
        return
    for c in range(LANES):
        lows[c] = min(lows[c], zero)
        highs[c] = max(highs[c], zero)
    if z <= k:
        inner_low, inner_high = ordered[(low - z) * LANES :], ordered[(high + z) * LANES :]
        for c in range(LANES):
            lows[c] = max(lows[c], inner_low[c])
            highs[c] = min(highs[c], inner_high[c])


@compiled
def _add_clipped_group(v: Array, bounds: Array, total: Array) -> None:
    """total += sum of eight slabs clipped to the bounds."""
    for c in range(LANES):
        low, high = bounds[c], bounds[LANES + c]
        a = min(max(v[c], low), high) + min(max(v[LANES + c], low), high)
        b = min(max(v[2 * LANES + c], low), high) + min(max(v[3 * LANES + c], low), high)
        d = min(max(v[4 * LANES + c], low), high) + min(max(v[5 * LANES + c], low), high)
        e = min(max(v[6 * LANES + c], low), high) + min(max(v[7 * LANES + c], low), high)
        total[c] += (a + b) + (d + e)


@compiled
def _clipped_mean(v: Array, n: int, b: int, bounds: Array, total: Array) -> None:
    """total = mean of n slabs and b-n zeros, all clipped to the bounds."""
    total[:] = 0
    whole = n - n % GROUP
    for first in range(0, whole, GROUP):
        _add_clipped_group(v[first * LANES :], bounds, total)
    for i in range(whole, n):
        slab = v[i * LANES : (i + 1) * LANES]
        for c in range(LANES):
            total[c] += min(max(slab[c], bounds[c]), bounds[LANES + c])
    if n < b:
        zeros, zero = v.dtype.type(b - n), v.dtype.type(0)
        for c in range(LANES):
            total[c] += zeros * min(max(zero, bounds[c]), bounds[LANES + c])
    size = v.dtype.type(b)
    for c in range(LANES):
        total[c] /= size


@compiled
def _kept_mean(mean: Array, b: int, k: int, bounds: Array) -> None:
    """From the mean of b clipped values to that of the b-2k between the tails; of one or two, the bounds themselves.

    Rounding grows by b/(b-2k); an infinite bound leaves NaN.
    """
    for c in range(LANES):
        ends = bounds[c] + bounds[LANES + c]
        mean[c] = ends / 2 if b - 2 * k <= 2 else (b * mean[c] - k * ends) / (b - 2 * k)


@compiled
def reduce_products(
    factors: Array,
    places: Array,
    counts: Array,
    right: Array,
    k: int,
    trimmed: bool,
    rows: tuple[int, int],
    columns: tuple[int, int],
    out: Array,
) -> None:
    """out[o, i] = winsorized or trimmed mean, k values per tail, of the products of columns o and right[:, i].

    factors, places, counts: as `factors_of` gives them; right [b, I]; out [O, I]. rows, columns: the part of out that
    is written. NaN where a factor is not finite; where a product is not, as it comes.
    """
    b, dtype = right.shape[0], right.dtype
    tile, v = np.empty((b, LANES), dtype), np.empty(-(-b // GROUP) * HIGHEST, dtype)
    rest, x = np.empty(HIGHEST, dtype), np.empty(2 * HIGHEST, dtype)
    bounds, mean, finite = np.empty(2 * LANES, dtype), np.empty(LANES, dtype), np.empty(LANES, dtype)
    for start in range(columns[0], columns[1], LANES):
        width = _load(right, start, tile, finite)
        for o in range(rows[0], rows[1]):
            n = counts[o]
            if n <= 0:
                for c in range(width):
                    out[o, start + c] = np.nan if n < 0 else finite[c]
                continue
            _products(factors[o], places[o], n, tile, v)
            _bounds(v, n, b, k, rest, x, bounds)
            if not trimmed or b - 2 * k > 2:
                _clipped_mean(v, n, b, bounds, mean)
            if trimmed:
                _kept_mean(mean, b, k, bounds)
            for c in range(width):
                out[o, start + c] = mean[c] + finite[c]
