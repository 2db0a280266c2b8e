"""Per-example gradients of convolutions over two axes, whatever the layer type that asks.

The weight gradient of example i is d_i P_i^T in each of the G groups of channels: d_i [O/G, T] its output
gradient over the T positions, P_i [(C/G) k k, T] the input patches under the kernel. Patches are taken in
chunks of examples that stay in cache. Padding is done first, as the layer itself does it. Compiled kernels, on the
host and without groups, form the same rows without patches, and add them up (`tap_rows`).
"""

from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from trainables.gradients import compiled
from trainables.gradients.choice import ConvolutionShape, choose
from trainables.gradients.reductions import accumulate
from trainables.gradients.tiling import Array, Tiling, convolution_tiling

Ints = tuple[int, ...]

PATCH_BYTES = 2 * 2**20
"""Patches of one chunk of examples: about the second-level cache of a core."""


class Geometry(NamedTuple):
    """Of a convolution over (height, width); amounts: padding as (left, right, top, bottom)."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    amounts: tuple[int, int, int, int]
    mode: str
    groups: int


def padded(geometry: Geometry, x: Tensor) -> Tensor:
    """The input [N, C, H, W] with its padding."""
    if not any(geometry.amounts):
        return x
    mode = "constant" if geometry.mode == "zeros" else geometry.mode
    return functional.pad(x, geometry.amounts, mode)


def taken_patches(geometry: Geometry, x: Tensor, out: tuple[int, int]) -> Tensor:
    """Input patches [N, C k k, T] of a chunk, by one strided copy whose innermost runs are image rows."""
    wide = padded(geometry, x)
    n, channels = x.shape[:2]
    (k_h, k_w), (s_h, s_w), (e_h, e_w) = geometry.kernel, geometry.stride, geometry.dilation
    b, c, h, w = wide.stride()
    windows = wide.as_strided(
        (n, channels, k_h, k_w, *out), (b, c, h * e_h, w * e_w, h * s_h, w * s_w), wide.storage_offset()
    )
    return windows.reshape(n, channels * k_h * k_w, out[0] * out[1])


def chunks(geometry: Geometry, x: Tensor, d: Tensor) -> list[slice]:
    """Slices of examples whose patches fit PATCH_BYTES, at least one example each."""
    taps = x.shape[1] * geometry.kernel[0] * geometry.kernel[1]
    each = taps * d.shape[2] * d.shape[3] * x.element_size()
    size = max(1, PATCH_BYTES // each)
    return [slice(start, start + size) for start in range(0, x.shape[0], size)]


def weight_rows(geometry: Geometry, x: Tensor, d: Tensor) -> Tensor:
    """Weight gradients [N, O, (C/G) k k] of a chunk."""
    patches, flat = taken_patches(geometry, x, (d.shape[2], d.shape[3])), d.flatten(2)
    if geometry.groups == 1:
        return torch.bmm(flat, patches.transpose(1, 2))
    n, outputs, positions = flat.shape
    split = n * geometry.groups
    own, taps = outputs // geometry.groups, patches.shape[1] // geometry.groups
    products = torch.bmm(flat.reshape(split, own, positions), patches.reshape(split, taps, positions).transpose(1, 2))
    return products.view(n, outputs, taps)


def weight_sum(geometry: Geometry, weight: Tensor, x: Tensor, d: Tensor) -> Tensor:
    """Sum of the weight gradients over the examples, [O, C/G, k, k]."""
    return accumulated(geometry, x, d)[1] if chosen(geometry, x, d) == "tiles" else ordinary(geometry, weight, x, d)


def ordinary(geometry: Geometry, weight: Tensor, x: Tensor, d: Tensor) -> Tensor:
    """`weight_sum` by torch's library, as autograd takes it."""
    left, right, top, bottom = geometry.amounts
    inside = geometry.mode == "zeros" and left == right and top == bottom
    _, total, _ = torch.ops.aten.convolution_backward(
        d,
        x if inside else padded(geometry, x),
        weight,
        None,
        geometry.stride,
        (top, left) if inside else (0, 0),
        geometry.dilation,
        False,
        [0, 0],
        geometry.groups,
        [False, True, False],
    )
    return total


def accumulated(geometry: Geometry, x: Tensor, d: Tensor) -> tuple[Tensor, Tensor]:
    """Squared norm of each example's weight gradient [N], float64, and the sum of the gradients, [O, C/G, k, k]."""
    shape = (d.shape[1], x.shape[1] // geometry.groups, *geometry.kernel)
    if chosen(geometry, x, d) == "patches":
        parts = chunks(geometry, x, d)
        norms, total = accumulate(weight_rows(geometry, x[part], d[part]) for part in parts)
    else:
        norms, total = compiled.summed("convolution", *_given(geometry, x, d))
    return norms, total.view(shape)


def formed(geometry: Geometry, x: Tensor, d: Tensor) -> Tensor:
    """Weight gradients [N, O, C k k], where `chosen` says tiles."""
    return compiled.formed("convolution_rows", *_given(geometry, x, d))


def _given(geometry: Geometry, x: Tensor, d: Tensor) -> tuple[Tensor, Tensor, tuple[Ints, Array], Tiling]:
    """What kernels want: input and output gradients, constants, tiling."""
    if geometry.mode != "zeros":
        x, geometry = padded(geometry, x), geometry._replace(amounts=(0, 0, 0, 0))
    shape, out = (x.shape[1], *_wide(geometry, x)), (d.shape[2], d.shape[3])
    tiling, starts = _tiles(geometry, shape, d.shape[1], out, compiled.number(x))
    return x, d.flatten(2), (geometry.amounts, starts), tiling


@cache
def _tiles(
    geometry: Geometry, shape: tuple[int, int, int], outputs: int, out: tuple[int, int], number: np.dtype
) -> tuple[Tiling, Array]:
    """Of padded input of `shape` (C, H, W); and where the window of each position begins."""
    (s_h, s_w), width = geometry.stride, shape[2]
    starts = np.arange(out[0])[:, None] * (s_h * width) + np.arange(out[1]) * s_w
    return convolution_tiling(outputs, shape, geometry.kernel, geometry.dilation, number), starts.reshape(-1)


def _wide(geometry: Geometry, x: Tensor) -> tuple[int, int]:
    """Height and width of the input with its padding."""
    left, right, top, bottom = geometry.amounts
    return x.shape[2] + top + bottom, x.shape[3] + left + right


def chosen(geometry: Geometry, x: Tensor, d: Tensor) -> str:
    """The kernel for a layer: by its shape, dtype and device alone."""
    if geometry.groups > 1 or 0 in x.shape or 0 in d.shape:
        return "patches"
    (k_h, k_w), (height, width) = geometry.kernel, _wide(geometry, x)
    shape = ConvolutionShape(x.shape[1], d.shape[1], k_h * k_w, height * width, d.shape[2] * d.shape[3])
    return choose(shape, x.device.type, x.dtype)
