"""Reductions over examples, per coordinate: winsorized mean, trimmed mean, median, sum of signs.

For values v_1..v_b and k < b/2: l and u are the (k+1)-th smallest and largest. The winsorized mean is the mean
of min(max(v_i, l), u), the trimmed mean that of the b - 2k values in sorted order from l to u, and the median
the trimmed mean at the largest k. A coordinate with at most k non-zero values is exactly 0 in each (l = u = 0),
which sparse inputs and ReLU make common; such coordinates are skipped unseen. Infinities are values like others;
a coordinate with a NaN among its values is NaN, so that the trial diverges instead of hiding it.

Paths: compiled kernels for float32 and float64 on the CPU, torch's sort elsewhere, and numpy's sort, which is exact
and slow, for the coordinates that kernels leave out: those with an infinity or a NaN among their factors. The path
depends on dtype, device and the values themselves, never on a clock; a kernel's result not on the number of threads.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from trainables.gradients import kernels
from trainables.gradients.lanes import LANES
from trainables.gradients.types import OuterRows, Rows

COMPILED = (torch.float32, torch.float64)
"""Types with compiled kernels, on the CPU."""

SORT_BYTES = 128 * 2**20
"""Values that torch sorts at a time."""

THREAD_VALUES = 2**20
"""Values that are worth a thread."""

Array = npt.NDArray


def winsorized_mean(rows: Rows, k: int) -> Tensor:
    """Winsorized mean of the rows, k values per tail: [*parameter shape]."""
    return _reduced(rows, k, trimmed=False)


def trimmed_mean(rows: Rows, k: int) -> Tensor:
    """Mean of the rows without the k smallest and k largest values of each coordinate: [*parameter shape]."""
    return _reduced(rows, k, trimmed=True)


def coordinate_median(rows: Rows) -> Tensor:
    """Median of each coordinate, of an even number the mean of the two middle values: [*parameter shape]."""
    return trimmed_mean(rows, (len(rows) - 1) // 2)


def sum_of_signs(rows: Rows) -> Tensor:
    """Sum over examples of the sign of each coordinate: [*parameter shape]. The sign of a product is the
    product of the signs, also where the product itself would round to 0."""
    if isinstance(rows, OuterRows):
        return rows.left.sign().t() @ rows.right.sign()
    return torch.cat([piece.sign().sum(dim=0) for piece in rows.pieces()])


def _reduced(rows: Rows, k: int, *, trimmed: bool) -> Tensor:
    if not 0 <= 2 * k < len(rows):
        raise ValueError(f"k: given {k} values per tail of {len(rows)}, expected 0 <= k < {len(rows)} / 2.")
    if isinstance(rows, OuterRows) and _has_kernel(rows.left):
        return torch.from_numpy(outer(rows.left.numpy(), rows.right.numpy(), k, trimmed=trimmed))
    found = [_piece(piece.flatten(1), k, trimmed).view(piece.shape[1:]) for piece in rows.pieces()]
    return found[0] if len(found) == 1 else torch.cat(found)


def _has_kernel(values: Tensor) -> bool:
    return values.device.type == "cpu" and values.dtype in COMPILED


def _piece(values: Tensor, k: int, trimmed: bool) -> Tensor:
    """Reduction over dim 0 of [b, P]."""
    if _has_kernel(values):
        return torch.from_numpy(dense(values.numpy(), k, trimmed=trimmed))
    step = max(1, SORT_BYTES // (len(values) * values.element_size()))
    return torch.cat([by_torch(part, k, trimmed=trimmed) for part in values.split(step, dim=1)])


def by_torch(values: Tensor, k: int, *, trimmed: bool) -> Tensor:
    """Reduction over dim 0 of [b, P] on any device, by sorting, which puts NaN last."""
    ordered = values.sort(dim=0).values
    low, high = ordered[k], ordered[len(ordered) - k - 1]
    mean = ordered[k : len(ordered) - k].mean(dim=0) if trimmed else values.clamp(low, high).mean(dim=0)
    return mean.where(~ordered[-1].isnan(), torch.nan)


def by_numpy(values: Array, k: int, *, trimmed: bool) -> Array:
    """Reduction over axis 0 of [b, P], by sorting, which puts NaN last: the exact path that needs numpy only."""
    ordered = np.sort(values, axis=0)
    broken = np.isnan(ordered[-1])
    if trimmed:
        ordered = ordered[k : len(values) - k]
    else:
        ordered[:k] = ordered[k]
        ordered[len(ordered) - k :] = ordered[len(ordered) - k - 1]
    with np.errstate(invalid="ignore"):
        mean = ordered.mean(axis=0, dtype=values.dtype)
    mean[broken] = np.nan
    return mean


def dense(values: Array, k: int, *, trimmed: bool) -> Array:
    """Reduction over axis 0 of [b, P]: products with a single column of ones."""
    return _products(np.ones((len(values), 1), values.dtype), values, k, trimmed)[0]


def outer(left: Array, right: Array, k: int, *, trimmed: bool) -> Array:
    """Reduction over n of left[n] right[n]^T, [O, I]: without the columns of zeros, and by the sparser factor."""
    if np.count_nonzero(right) * left.size < np.count_nonzero(left) * right.size:
        return np.ascontiguousarray(outer(right, left, k, trimmed=trimmed).T)
    live = np.flatnonzero((np.count_nonzero(right, axis=0) > k) | ~np.isfinite(right).all(axis=0))
    if live.size == right.shape[1] or not np.isfinite(left).all():
        return _products(left, right, k, trimmed)
    mean = np.zeros((left.shape[1], right.shape[1]), left.dtype)
    mean[:, live] = _products(left, right[:, live], k, trimmed)
    return mean


def _products(left: Array, right: Array, k: int, trimmed: bool) -> Array:
    """By the kernel, on as many threads as torch has; what it leaves out by numpy."""
    left, right = np.ascontiguousarray(left), np.ascontiguousarray(right)
    factors, places, counts = kernels.factors_of(left, k)
    b, (outputs, inputs) = len(left), (left.shape[1], right.shape[1])
    mean = np.empty((outputs, inputs), left.dtype)

    def part(rows: tuple[int, int], columns: tuple[int, int]) -> None:
        kernels.reduce_products(factors, places, counts, right, k, trimmed, rows, columns, mean)

    _spread(part, outputs, inputs, min(torch.get_num_threads(), 1 + b * outputs * inputs // THREAD_VALUES))
    broken = np.isnan(mean)
    if broken.any():
        o, i = np.nonzero(broken)
        with np.errstate(invalid="ignore"):
            mean[broken] = by_numpy(left[:, o] * right[:, i], k, trimmed=trimmed)
    return mean


def _spread(part: Callable[[tuple[int, int], tuple[int, int]], None], outputs: int, inputs: int, threads: int) -> None:
    """Call `part` on the parts of [outputs, inputs], cut along the axis with more to cut, at whole tiles."""
    tiles = -(-inputs // LANES)
    if threads == 1:
        part((0, outputs), (0, inputs))
        return
    cuts = [max(outputs, tiles) * t // threads for t in range(threads + 1)]
    with ThreadPoolExecutor(threads) as pool:
        if outputs >= tiles:
            waiting = [pool.submit(part, (a, z), (0, inputs)) for a, z in pairwise(cuts)]
        else:
            bounds = [(a * LANES, min(z * LANES, inputs)) for a, z in pairwise(cuts)]
            waiting = [pool.submit(part, (0, outputs), each) for each in bounds]
        for each in waiting:
            each.result()
