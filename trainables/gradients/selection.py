"""Winsorized mean over examples, per coordinate: three exact paths for one definition.

For values v_1..v_b and k < b/2: l and u are the (k+1)-th smallest and largest; the result is the mean of
min(max(v_i, l), u). A coordinate with at most k non-zero values is exactly 0 (l = u = 0), which sparse
inputs and ReLU make common; such coordinates are skipped unseen.

Paths: the compiled kernel on the CPU for k of 1 and 2, numpy's sort beyond it, torch's sort on other
devices. The choice depends on device and k alone.
"""

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


def dense_numpy(values: Array, k: int) -> Array:
    """Winsorized mean over axis 0 of [b, P], by sorting: the exact path that needs numpy only."""
    ordered = np.sort(values, axis=0)
    ordered[:k] = ordered[k]
    ordered[len(ordered) - k :] = ordered[len(ordered) - k - 1]
    return ordered.mean(axis=0, dtype=values.dtype)


def outer_numpy(left: Array, right: Array, k: int) -> Array:
    """Winsorized mean over i of left[i] right[i]^T, [O, I], skipping columns that are provably zero."""
    live_o = np.flatnonzero((left != 0).sum(axis=0) > k)
    live_i = np.flatnonzero((right != 0).sum(axis=0) > k)
    mean = np.zeros((left.shape[1], right.shape[1]), dtype=left.dtype)
    inner = right[:, live_i]
    for o in live_o:
        mean[o, live_i] = dense_numpy(left[:, o, None] * inner, k)
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
