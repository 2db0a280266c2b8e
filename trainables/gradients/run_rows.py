"""Compiled rows of a convolution as dot products over positions: best where there are many positions.

The weight gradient of example i at output o and tap j = (c, k_h, k_w) is sum_t d_i[o, t] x_i[c, t shifted by the
tap]. The padded input is laid out so that the positions of every tap are one run of memory: a stride s splits each
channel into s x s planes (every s-th row and column), d gets the same width of a line with zeros in the margin, and a
tap is an offset. Twelve sums (four outputs, three taps) are kept in registers. No patches are copied.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

from trainables.gradients.accumulate import FAST, add_row

Array = npt.NDArray
Ints = tuple[int, ...]

OUTPUTS, TAPS = 4, 3
"""Of one block of sums in registers."""


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _block(d: Array, o: int, x: Array, start: Array, j: int, size: int, row: Array) -> None:
    """row[o + a, j + b] = d[o + a] . x[start[j + b] : + size] for a < OUTPUTS, b < TAPS."""
    s00 = s01 = s02 = s10 = s11 = s12 = s20 = s21 = s22 = s30 = s31 = s32 = d.dtype.type(0)
    d0, d1, d2, d3 = d[o], d[o + 1], d[o + 2], d[o + 3]
    x0, x1, x2 = x[start[j] :], x[start[j + 1] :], x[start[j + 2] :]
    for t in range(size):
        u, v, w = x0[t], x1[t], x2[t]
        s00, s01, s02 = s00 + d0[t] * u, s01 + d0[t] * v, s02 + d0[t] * w
        s10, s11, s12 = s10 + d1[t] * u, s11 + d1[t] * v, s12 + d1[t] * w
        s20, s21, s22 = s20 + d2[t] * u, s21 + d2[t] * v, s22 + d2[t] * w
        s30, s31, s32 = s30 + d3[t] * u, s31 + d3[t] * v, s32 + d3[t] * w
    row[o, j], row[o, j + 1], row[o, j + 2] = s00, s01, s02
    row[o + 1, j], row[o + 1, j + 1], row[o + 1, j + 2] = s10, s11, s12
    row[o + 2, j], row[o + 2, j + 1], row[o + 2, j + 2] = s20, s21, s22
    row[o + 3, j], row[o + 3, j + 1], row[o + 3, j + 2] = s30, s31, s32


@njit(cache=True, nogil=True, error_model="numpy")
def _plane(image: Array, first_h: int, first_w: int, stride: Ints, lines: int, pitch: int, plane: Array) -> None:
    """plane[y, z] = image[first_h + y s_h, first_w + z s_w], for places inside the image; others are left alone."""
    height, width = image.shape
    for y in range(lines):
        h = first_h + y * stride[0]
        if h < 0 or h >= height:
            continue
        begin = 0 if first_w >= 0 else (-first_w + stride[1] - 1) // stride[1]
        end = min(pitch, (width - 1 - first_w) // stride[1] + 1)
        if stride[1] == 1:
            for z in range(begin, end):
                plane[y * pitch + z] = image[h, first_w + z]
        else:
            for z in range(begin, end):
                plane[y * pitch + z] = image[h, first_w + z * stride[1]]


@njit(cache=True, nogil=True, error_model="numpy")
def _starts(channels: int, kernel: Ints, stride: Ints, dilation: Ints, lines: int, pitch: int) -> tuple[Array, Array]:
    """Start of each tap's run, [C k_h k_w] filled up to a multiple of TAPS; which of the s_h x s_w planes are read."""
    taps = channels * kernel[0] * kernel[1]
    start = np.zeros((taps + TAPS - 1) // TAPS * TAPS, np.int64)
    used = np.zeros((stride[0], stride[1]), np.bool_)
    j = 0
    for c in range(channels):
        for a in range(kernel[0]):
            for b in range(kernel[1]):
                h, w = a * dilation[0], b * dilation[1]
                used[h % stride[0], w % stride[1]] = True
                plane = (c * stride[0] + h % stride[0]) * stride[1] + w % stride[1]
                start[j] = (plane * lines + h // stride[0]) * pitch + w // stride[1]
                j += 1
    return start, used


@njit(cache=True, nogil=True, error_model="numpy")
def convolution(
    x: Array, d: Array, kernel: Ints, stride: Ints, dilation: Ints, margin: Ints, total: Array, norms: Array
) -> None:
    """Add to total [O, C k_h k_w] the sum over examples of their weight gradients; norms [N]: their squared norms.

    x [N, C, H, W], d [N, O, H', W'], contiguous; margin: zeros around the input (left, right, top, bottom).
    """
    channels, outputs, (high, wide) = x.shape[1], d.shape[1], d.shape[2:]
    lines = (x.shape[2] + margin[2] + margin[3] + stride[0] - 1) // stride[0]
    pitch = (x.shape[3] + margin[0] + margin[1] + stride[1] - 1) // stride[1]
    start, used = _starts(channels, kernel, stride, dilation, lines, pitch)
    size = (high - 1) * pitch + wide
    flat = np.zeros(max(channels * stride[0] * stride[1] * lines * pitch, start.max() + size), x.dtype)
    lined = np.zeros(((outputs + OUTPUTS - 1) // OUTPUTS * OUTPUTS, high * pitch), x.dtype)
    row = np.empty((lined.shape[0], start.size), x.dtype)
    for n in range(x.shape[0]):
        for c in range(channels):
            for a in range(stride[0]):
                for b in range(stride[1]):
                    if used[a, b]:
                        at = ((c * stride[0] + a) * stride[1] + b) * lines * pitch
                        _plane(x[n, c], a - margin[2], b - margin[0], stride, lines, pitch, flat[at:])
        for o in range(outputs):
            _plane(d[n, o], 0, 0, (1, 1), high, pitch, lined[o])
        for o in range(0, outputs, OUTPUTS):
            for j in range(0, start.size, TAPS):
                _block(lined, o, flat, start, j, size, row)
        square = 0.0
        for o in range(outputs):
            square += add_row(row[o, : total.shape[1]], total[o])
        norms[n] = square
