"""Reductions over examples, per coordinate: winsorized mean, trimmed mean, median, sum of signs.

For values v_1..v_b and k < b/2: l and u are the (k+1)-th smallest and largest. The winsorized mean is the mean
of min(max(v_i, l), u), the trimmed mean that of the b - 2k values in sorted order from l to u, and the median
the trimmed mean at the largest k. A coordinate with at most k non-zero values is exactly 0 in each (l = u = 0),
which sparse inputs and ReLU make common; such coordinates are skipped unseen.

Paths of the winsorized mean: the compiled kernel on the CPU for k of 1 and 2, numpy's sort beyond it, torch's
sort on other devices; the trimmed mean has the last two. The choice depends on device and k alone.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from trainables.gradients.kernels import winsorized_outer
from trainables.gradients.types import OuterRows, Rows

COMPILED = (1, 2)
"""Values per tail with a compiled kernel; beyond them sorting is cheaper than keeping more extremes."""

Array = npt.NDArray


def winsorized_mean(rows: Rows, k: int) -> Tensor:
    """Winsorized mean of the rows, k values per tail: [*parameter shape]."""
    if isinstance(rows, OuterRows) and not rows.left.is_cuda:
        outer = outer_numba if k in COMPILED else outer_numpy
        return torch.from_numpy(outer(rows.left.numpy(), rows.right.numpy(), k))
    values = rows.dense()
    flat = values.reshape(len(values), -1)
    if values.is_cuda:
        mean = dense_torch(flat, k)
    else:
        mean = torch.from_numpy((dense_numba if k in COMPILED else dense_numpy)(flat.numpy(), k))
    return mean.view(values.shape[1:])


def trimmed_mean(rows: Rows, k: int) -> Tensor:
    """Mean of the rows without the k smallest and k largest values of each coordinate: [*parameter shape]."""
    if isinstance(rows, OuterRows) and not rows.left.is_cuda:
        return torch.from_numpy(outer_numpy(rows.left.numpy(), rows.right.numpy(), k, trimmed_numpy))
    values = rows.dense()
    flat = values.reshape(len(values), -1)
    mean = trimmed_torch(flat, k) if values.is_cuda else torch.from_numpy(trimmed_numpy(flat.numpy(), k))
    return mean.view(values.shape[1:])


def coordinate_median(rows: Rows) -> Tensor:
    """Median of each coordinate, of an even number the mean of the two middle values: [*parameter shape]."""
    size = len(rows.left) if isinstance(rows, OuterRows) else len(rows.dense())
    return trimmed_mean(rows, (size - 1) // 2)


def sum_of_signs(rows: Rows) -> Tensor:
    """Sum over examples of the sign of each coordinate: [*parameter shape]. The sign of a product is the
    product of the signs, also where the product itself would round to 0."""
    if isinstance(rows, OuterRows):
        return rows.left.sign().t() @ rows.right.sign()
    return rows.dense().sign().sum(dim=0)


def trimmed_numpy(values: Array, k: int) -> Array:
    """Trimmed mean over axis 0 of [b, P], by sorting."""
    return np.sort(values, axis=0)[k : len(values) - k].mean(axis=0, dtype=values.dtype)


def trimmed_torch(values: Tensor, k: int) -> Tensor:
    """Trimmed mean over dim 0 of [b, P] on any device."""
    return values.sort(dim=0).values[k : len(values) - k].mean(dim=0)


def dense_numpy(values: Array, k: int) -> Array:
    """Winsorized mean over axis 0 of [b, P], by sorting: the exact path that needs numpy only."""
    ordered = np.sort(values, axis=0)
    ordered[:k] = ordered[k]
    ordered[len(ordered) - k :] = ordered[len(ordered) - k - 1]
    return ordered.mean(axis=0, dtype=values.dtype)


def outer_numpy(left: Array, right: Array, k: int, reduce: Callable[[Array, int], Array] = dense_numpy) -> Array:
    """Winsorized (or trimmed) mean over i of left[i] right[i]^T, [O, I], skipping columns that are provably zero."""
    live_o = np.flatnonzero((left != 0).sum(axis=0) > k)
    live_i = np.flatnonzero((right != 0).sum(axis=0) > k)
    mean = np.zeros((left.shape[1], right.shape[1]), dtype=left.dtype)
    inner = right[:, live_i]
    for o in live_o:
        mean[o, live_i] = reduce(left[:, o, None] * inner, k)
    return mean


def dense_torch(values: Tensor, k: int) -> Tensor:
    """Winsorized mean over dim 0 of [b, P] on any device."""
    ordered = values.sort(dim=0).values
    low, high = ordered[k], ordered[len(ordered) - k - 1]
    return values.clamp(low, high).mean(dim=0)


def dense_numba(values: Array, k: int) -> Array:
    """Winsorized mean over axis 0 of [b, P]: the outer product with a single left column of ones."""
    return outer_numba(np.ones((len(values), 1), values.dtype), values, k)[0]


def outer_numba(left: Array, right: Array, k: int) -> Array:
    """Winsorized mean over i of left[i] right[i]^T, [O, I], skipping columns that are provably zero."""
    live_o = np.flatnonzero((left != 0).sum(axis=0) > k)
    live_i = np.flatnonzero((right != 0).sum(axis=0) > k)
    mean = np.zeros((left.shape[1], right.shape[1]), left.dtype)
    if live_o.size and live_i.size:
        inner = np.empty((live_o.size, live_i.size), left.dtype)
        winsorized_outer(np.ascontiguousarray(left[:, live_o]), np.ascontiguousarray(right[:, live_i]), k, inner)
        mean[np.ix_(live_o, live_i)] = inner
    return mean
