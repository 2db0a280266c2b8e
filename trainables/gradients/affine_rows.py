"""Compiled gradients of a normalisation's weight and bias per example, without a normalised copy of the input.

Of h = (x - mean) rstd and output gradient d the weight gradient is the sum of d h over positions, the bias gradient
that of d. Mean and rstd are taken anew while the values are in cache; centred = False (RMSNorm) leaves out the mean.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

from trainables.gradients.accumulate import FAST

Array = npt.NDArray


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _moments(x: Array, eps: float, centred: bool) -> tuple[float, float]:
    """Mean (0 if not centred) and 1 / sqrt(variance + eps) of x."""
    mean = x.dtype.type(0)
    if centred:
        for i in range(x.size):
            mean += x[i]
        mean /= x.dtype.type(x.size)
    square = x.dtype.type(0)
    for i in range(x.size):
        square += (x[i] - mean) * (x[i] - mean)
    return float(mean), 1.0 / np.sqrt(float(square) / x.size + eps)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def channels(x: Array, d: Array, groups: int, eps: float, weight: Array, bias: Array) -> None:
    """GroupNorm: x, d [N, C, T], contiguous; weight, bias [N, C] are written."""
    number = x.shape[1] // groups
    for n in range(x.shape[0]):
        for g in range(groups):
            mean, rstd = _moments(x[n, g * number : (g + 1) * number].reshape(-1), eps, True)
            middle = x.dtype.type(mean)
            for c in range(g * number, (g + 1) * number):
                one, other = x[n, c], d[n, c]
                product = total = x.dtype.type(0)
                for t in range(one.size):
                    product += other[t] * (one[t] - middle)
                    total += other[t]
                weight[n, c], bias[n, c] = product * rstd, total


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def positions(x: Array, d: Array, eps: float, centred: bool, weight: Array, bias: Array) -> None:
    """LayerNorm and RMSNorm: x, d [N, T, D], contiguous; weight, bias [N, D] are written."""
    for n in range(x.shape[0]):
        weight[n] = 0
        bias[n] = 0
        w, b = weight[n], bias[n]
        for t in range(x.shape[1]):
            mean, rstd = _moments(x[n, t], eps, centred)
            middle, scale = x.dtype.type(mean), x.dtype.type(rstd)
            one, other = x[n, t], d[n, t]
            for i in range(one.size):
                w[i] += other[i] * ((one[i] - middle) * scale)
                b[i] += other[i]
