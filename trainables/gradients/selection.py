"""Winsorized mean over examples, per coordinate: three exact paths for one definition.

For values v_1..v_b and k < b/2: l and u are the (k+1)-th smallest and largest; the result is the mean of
min(max(v_i, l), u). A coordinate with at most k non-zero values is exactly 0 (l = u = 0), which sparse
inputs and ReLU make common; the numba kernel skips such coordinates before it looks at them.

Paths: numba on the CPU for k up to MAX_NETWORK (insertion of each value into the k+1 extremes, vector
lanes over coordinates), numpy's sort beyond it, torch's sort on other devices.
The choice depends on device and k alone.
"""

import numpy as np
import numpy.typing as npt
import torch
from numba import njit
from torch import Tensor

from trainables.gradients.types import OuterRows, Rows

MAX_NETWORK = 2
"""Beyond this many values per tail, sorting is cheaper than insertion."""

_BLOCK = 256
"""Coordinates a block: b values of each stay in the first cache levels."""

Array = npt.NDArray


def winsorized_mean(rows: Rows, k: int) -> Tensor:
    """Winsorized mean of the rows, k values per tail: [*parameter shape]."""
    if isinstance(rows, OuterRows) and not rows.left.is_cuda:
        outer = outer_numba if k <= MAX_NETWORK else outer_numpy
        return torch.from_numpy(outer(rows.left.numpy(), rows.right.numpy(), k))
    values = rows.dense()
    flat = values.reshape(len(values), -1)
    if values.is_cuda:
        mean = dense_torch(flat, k)
    else:
        mean = torch.from_numpy((dense_numba if k <= MAX_NETWORK else dense_numpy)(flat.numpy(), k))
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


@njit(cache=True, error_model="numpy")
def _insert(low: Array, high: Array, v: Array, width: int, k: int) -> None:
    """Insert one value per lane into the k+1 smallest (low) and largest (high) so far."""
    for c in range(width):
        t = v[c]
        for j in range(k + 1):
            held = low[j, c]
            low[j, c] = held if held < t else t
            t = t if held < t else held
    for c in range(width):
        t = v[c]
        for j in range(k + 1):
            held = high[j, c]
            high[j, c] = held if held > t else t
            t = t if held > t else held


@njit(cache=True, error_model="numpy")
def _insert_pair(low: Array, high: Array, v: Array, width: int) -> None:
    """`_insert` for k = 1, unrolled so that the lanes become vector instructions."""
    for c in range(width):
        t, a, b = v[c], low[0, c], low[1, c]
        middle = a if a > t else t
        low[0, c] = a if a < t else t
        low[1, c] = b if b < middle else middle
        x, y = high[0, c], high[1, c]
        middle = x if x < t else t
        high[0, c] = x if x > t else t
        high[1, c] = y if y > middle else middle


@njit(cache=True, error_model="numpy")
def _clipped_mean(block: Array, low: Array, high: Array, width: int, k: int, out: Array) -> None:
    b = block.shape[0]
    for c in range(width):
        out[c] = 0
    for i in range(b):
        for c in range(width):
            v = block[i, c]
            v = v if v > low[k, c] else low[k, c]
            out[c] += v if v < high[k, c] else high[k, c]
    for c in range(width):
        out[c] /= b


@njit(cache=True, error_model="numpy")
def _reduce(block: Array, low: Array, high: Array, width: int, k: int, out: Array) -> None:
    """Winsorized mean over axis 0 of the first `width` columns of block [b, _BLOCK]."""
    for j in range(k + 1):
        for c in range(width):
            low[j, c] = np.inf
            high[j, c] = -np.inf
    for i in range(block.shape[0]):
        if k == 1:
            _insert_pair(low, high, block[i], width)
        else:
            _insert(low, high, block[i], width, k)
    _clipped_mean(block, low, high, width, k, out)


@njit(cache=True, error_model="numpy")
def _dense_kernel(values: Array, k: int, out: Array) -> None:
    b, size = values.shape
    block = np.empty((b, _BLOCK), values.dtype)
    low, high = np.empty((k + 1, _BLOCK), values.dtype), np.empty((k + 1, _BLOCK), values.dtype)
    for start in range(0, size, _BLOCK):
        width = min(_BLOCK, size - start)
        for i in range(b):
            for c in range(width):
                block[i, c] = values[i, start + c]
        _reduce(block, low, high, width, k, out[start : start + width])


@njit(cache=True, error_model="numpy")
def _outer_kernel(left: Array, right: Array, k: int, out: Array) -> None:
    """left [b, o] and right [b, i], live columns only; out [o, i]."""
    b, outputs = left.shape
    inputs = right.shape[1]
    block = np.empty((b, _BLOCK), right.dtype)
    low, high = np.empty((k + 1, _BLOCK), right.dtype), np.empty((k + 1, _BLOCK), right.dtype)
    for start in range(0, inputs, _BLOCK):
        width = min(_BLOCK, inputs - start)
        for o in range(outputs):
            for i in range(b):
                scale = left[i, o]
                for c in range(width):
                    block[i, c] = scale * right[i, start + c]
            _reduce(block, low, high, width, k, out[o, start : start + width])


def dense_numba(values: Array, k: int) -> Array:
    """Winsorized mean over axis 0 of [b, P]."""
    values = np.ascontiguousarray(values)
    out = np.empty(values.shape[1], values.dtype)
    _dense_kernel(values, k, out)
    return out


def outer_numba(left: Array, right: Array, k: int) -> Array:
    """Winsorized mean over i of left[i] right[i]^T, [O, I], skipping columns that are provably zero."""
    live_o = np.flatnonzero((left != 0).sum(axis=0) > k)
    live_i = np.flatnonzero((right != 0).sum(axis=0) > k)
    mean = np.zeros((left.shape[1], right.shape[1]), left.dtype)
    if live_o.size and live_i.size:
        inner = np.empty((live_o.size, live_i.size), left.dtype)
        _outer_kernel(np.ascontiguousarray(left[:, live_o]), np.ascontiguousarray(right[:, live_i]), k, inner)
        mean[np.ix_(live_o, live_i)] = inner
    return mean
