"""The median of three tensors, coordinate by coordinate: max(min(a, b), min(max(a, b), c)); NaN where one is NaN."""

import numpy.typing as npt
import torch
from numba import njit
from torch import Tensor

Array = npt.NDArray

KERNEL = (torch.float32, torch.float64)
"""Types with a compiled loop, on the CPU, which reads and writes memory once."""


def median_of_three(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """Coordinate-wise median of three tensors of one shape, in a tensor of its own."""
    three = (a, b, c)
    if all(each.device.type == "cpu" and each.dtype in KERNEL and each.is_contiguous() for each in three):
        median = torch.empty_like(a)
        _median(*(each.view(-1).numpy() for each in (a, b, c, median)))
        return median
    return a.minimum(b).maximum(a.maximum(b).minimum(c))


@njit(cache=True, nogil=True, error_model="numpy")
def _median(a: Array, b: Array, c: Array, median: Array) -> None:
    nan = a.dtype.type(float("nan"))
    for i in range(median.size):
        x, y, z = a[i], b[i], c[i]
        middle = max(min(x, y), min(max(x, y), z))
        median[i] = middle if (x == x) & (y == y) & (z == z) else nan
