"""Compiled rows as sums of outer products over positions: best where each position has many channels.

Of Linear with positions the weight gradient of example i is D_i^T X_i = sum_t d_i[:, t] x_i[t, :]. A convolution is
the same: with channels last, the inputs under one line of the kernel are one run of k_w C numbers. Three outputs
times four positions are added at a time, so that each number loaded is used several times.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

from trainables.gradients.accumulate import FAST, add_row

Array = npt.NDArray
Ints = tuple[int, ...]

OUTPUTS, POSITIONS = 3, 4
"""Handled together."""


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _add(d: Array, o: int, x: Array, start: Array, row: Array, at: int, size: int) -> None:
    """row[a, at + i] += sum_t d[o + a, t] x[start[t] + i] for a < OUTPUTS, i < size; beyond the last output, of it."""
    p, q = min(o + 1, d.shape[0] - 1), min(o + 2, d.shape[0] - 1)
    r0, r1, r2 = row[0, at : at + size], row[1, at : at + size], row[2, at : at + size]
    whole = start.size // POSITIONS * POSITIONS
    for t in range(0, whole, POSITIONS):
        a0, a1, a2, a3 = d[o, t], d[o, t + 1], d[o, t + 2], d[o, t + 3]
        b0, b1, b2, b3 = d[p, t], d[p, t + 1], d[p, t + 2], d[p, t + 3]
        c0, c1, c2, c3 = d[q, t], d[q, t + 1], d[q, t + 2], d[q, t + 3]
        x0, x1, x2, x3 = x[start[t] :], x[start[t + 1] :], x[start[t + 2] :], x[start[t + 3] :]
        for i in range(size):
            u0, u1, u2, u3 = x0[i], x1[i], x2[i], x3[i]
            r0[i] += a0 * u0 + a1 * u1 + a2 * u2 + a3 * u3
            r1[i] += b0 * u0 + b1 * u1 + b2 * u2 + b3 * u3
            r2[i] += c0 * u0 + c1 * u1 + c2 * u2 + c3 * u3
    for t in range(whole, start.size):
        a0, b0, c0, x0 = d[o, t], d[p, t], d[q, t], x[start[t] :]
        for i in range(size):
            r0[i] += a0 * x0[i]
            r1[i] += b0 * x0[i]
            r2[i] += c0 * x0[i]


@njit(cache=True, nogil=True, error_model="numpy")
def _rows(d: Array, x: Array, start: Array, taps: Array, size: int, row: Array, total: Array) -> float:
    """Add one example's gradient [O, taps x size] to total; its squared norm. d [O, T]; row is scratch."""
    square = 0.0
    for o in range(0, d.shape[0], OUTPUTS):
        row[:] = 0
        for k in range(taps.size):
            _add(d, o, x[taps[k] :], start, row, k * size, size)
        for a in range(min(OUTPUTS, d.shape[0] - o)):
            square += add_row(row[a], total[o + a])
    return square


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def _add_lines(d: Array, o: int, x: Array, row: Array) -> None:
    """As `_add` for x [T, I] and d [T, O]: row[a] += sum_t d[t, o + a] x[t]."""
    p, q = min(o + 1, d.shape[1] - 1), min(o + 2, d.shape[1] - 1)
    r0, r1, r2 = row[0], row[1], row[2]
    whole = x.shape[0] // POSITIONS * POSITIONS
    for t in range(0, whole, POSITIONS):
        a0, a1, a2, a3 = d[t, o], d[t + 1, o], d[t + 2, o], d[t + 3, o]
        b0, b1, b2, b3 = d[t, p], d[t + 1, p], d[t + 2, p], d[t + 3, p]
        c0, c1, c2, c3 = d[t, q], d[t + 1, q], d[t + 2, q], d[t + 3, q]
        x0, x1, x2, x3 = x[t], x[t + 1], x[t + 2], x[t + 3]
        for i in range(x.shape[1]):
            u0, u1, u2, u3 = x0[i], x1[i], x2[i], x3[i]
            r0[i] += a0 * u0 + a1 * u1 + a2 * u2 + a3 * u3
            r1[i] += b0 * u0 + b1 * u1 + b2 * u2 + b3 * u3
            r2[i] += c0 * u0 + c1 * u1 + c2 * u2 + c3 * u3
    for t in range(whole, x.shape[0]):
        a0, b0, c0, x0 = d[t, o], d[t, p], d[t, q], x[t]
        for i in range(x.shape[1]):
            r0[i] += a0 * x0[i]
            r1[i] += b0 * x0[i]
            r2[i] += c0 * x0[i]


@njit(cache=True, nogil=True, error_model="numpy")
def linear(x: Array, d: Array, total: Array, norms: Array) -> None:
    """Add to total [O, I] the sum over examples of D_i^T X_i; norms [N]: their squared norms.

    x [N, T, I], d [N, T, O], contiguous.
    """
    outputs = d.shape[2]
    row = np.empty((OUTPUTS, x.shape[2]), x.dtype)
    for n in range(x.shape[0]):
        square = 0.0
        for o in range(0, outputs, OUTPUTS):
            row[:] = 0
            _add_lines(d[n], o, x[n], row)
            for a in range(min(OUTPUTS, outputs - o)):
                square += add_row(row[a], total[o + a])
        norms[n] = square


@njit(cache=True, nogil=True, error_model="numpy")
def _places(kernel: Ints, stride: Ints, dilation: Ints, out: Ints, width: int, channels: int) -> tuple[Array, Array]:
    """Start of each position's window in the padded channels-last image, and of each line of taps in a window.

    With a horizontal dilation every tap is a line of its own.
    """
    high, wide = out
    start = np.zeros(high * wide, np.int64)
    for y in range(high):
        for z in range(wide):
            start[y * wide + z] = (y * stride[0] * width + z * stride[1]) * channels
    across = 1 if dilation[1] == 1 else kernel[1]
    taps = np.zeros(kernel[0] * across, np.int64)
    for a in range(kernel[0]):
        for b in range(across):
            taps[a * across + b] = (a * dilation[0] * width + b * dilation[1]) * channels
    return start, taps


@njit(cache=True, nogil=True, error_model="numpy")
def convolution(
    x: Array, d: Array, kernel: Ints, stride: Ints, dilation: Ints, margin: Ints, total: Array, norms: Array
) -> None:
    """Add to total [O, k_h k_w C] the sum over examples of their weight gradients; norms [N]: their squared norms.

    x [N, C, H, W], d [N, O, H', W'], contiguous; margin: zeros around the input (left, right, top, bottom).
    """
    channels, height, width = x.shape[1:]
    outputs, (high, wide) = d.shape[1], d.shape[2:]
    tall, broad = height + margin[2] + margin[3], width + margin[0] + margin[1]
    start, taps = _places(kernel, stride, dilation, (high, wide), broad, channels)
    size = kernel[0] * kernel[1] * channels // taps.size
    last = np.zeros(tall * broad * channels, x.dtype)
    row = np.empty((OUTPUTS, taps.size * size), x.dtype)
    for n in range(x.shape[0]):
        for h in range(height):
            for c in range(channels):
                at = ((h + margin[2]) * broad + margin[0]) * channels + c
                for w in range(width):
                    last[at + w * channels] = x[n, c, h, w]
        norms[n] = _rows(d[n].reshape(outputs, high * wide), last, start, taps, size, row, total)
