"""Compiled rows of convolutions and of Linear with positions, formed tile by tile in registers (`tiling`).

Of a few examples at a time: a tile of the sum over examples is read and written once for all of them, and no row is
ever written. Output gradients are laid out with outputs innermost; an image is copied only where it has a margin.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
import numpy.typing as npt
from numba import njit

from trainables.gradients.registers import SQUARE, add_products, turn

Array = npt.NDArray
Ints = tuple[int, ...]
Tile = tuple[Ints, Ints, Ints]
"""Tuples as long as a tile has lines, taps and outputs: a kernel is compiled for each tile."""

BYTES, MOST = 2**18, 16
"""Of input and output gradients of the examples at a time, about; and examples."""


@njit(cache=True, nogil=True, error_model="numpy")
def _together(numbers: int, size: int) -> int:
    """Examples at a time, that have so many numbers of some bytes each."""
    return max(1, min(MOST, BYTES // (numbers * size)))


@njit(cache=True, nogil=True, error_model="numpy")
def _turn_over(d: Array, at: int, positions: int, outputs: int, width: int, out: Array, out_at: int) -> None:
    """out [blocks, T, width] = d [O, T], outputs beyond O zero; both from a place in a flat array on."""
    whole = positions // SQUARE * SQUARE
    for o in range(0, (outputs + width - 1) // width * width, SQUARE):
        rows = max(0, min(SQUARE, outputs - o))
        source = at + o * positions if rows else at
        target = out_at + o // width * width * positions + o % width
        for t in range(0, whole, SQUARE):
            turn(d, out, (source + t, positions, rows, target + t * width, width))  # type: ignore[call-arg]
        for t in range(whole, positions):
            for r in range(SQUARE):
                out[target + t * width + r] = d[source + r * positions + t] if r < rows else 0


@njit(cache=True, nogil=True, error_model="numpy")
def _part(d: Array, at: int, positions: int, outputs: int, width: int, out: Array, out_at: int) -> None:
    """out [blocks, T, width] = d [T, O], outputs beyond O zero; both from a place in a flat array on."""
    for o in range(0, outputs, width):
        rows = min(width, outputs - o)
        for t in range(positions):
            source, target = at + t * outputs + o, out_at + o * positions + t * width
            for r in range(rows):
                out[target + r] = d[source + r]
            for r in range(rows, width):
                out[target + r] = 0


@njit(cache=True, nogil=True, error_model="numpy")
def _surround(x: Array, margin: Ints, out: Array, at: int) -> None:
    """Copy an image [C, H, W] into a wider one, whose margin is left alone."""
    channels, height, width = x.shape
    wide, tall = width + margin[0] + margin[1], height + margin[2] + margin[3]
    for c in range(channels):
        for h in range(height):
            line = at + (c * tall + margin[2] + h) * wide + margin[0]
            for w in range(width):
                out[line + w] = x[c, h, w]


@njit(cache=True, nogil=True, error_model="numpy")
def _examples(
    x: Array, each_x: int, d: Array, each_d: Ints, starts: Array, heads: Array, keep: Array, tile: Tile, total: Array,
    squares: Array,
) -> None:  # fmt: skip
    """Add the gradients of len(squares) examples to total [blocks, tiles, tile], their squares to squares [n, width].

    each_x: numbers from one example to the next; each_d: also from one block of outputs, and from one position.
    """
    lines, width = len(tile[0]), len(tile[2])
    size, place = lines * len(tile[1]) * width, 0
    flat, sums = squares.reshape(-1), total.reshape(-1)
    for block in range(total.shape[0]):
        for line in range(0, heads.size, lines):
            for n in range(len(squares)):
                at = (n * each_x, n * each_d[0] + block * each_d[1], each_d[2], line, place, n * width)
                add_products(x, d, starts, heads, keep, sums, flat, at, tile)  # type: ignore[call-arg]
            place += size


@njit(cache=True, nogil=True, error_model="numpy")
def _lay_out(tiles: Array, width: int, places: Array, straight: int, row: Array) -> None:
    """row [O, J] = tiles [blocks, J', width] at the taps `places` [J]; straight: so many stand there already."""
    outputs, taps = row.shape
    flat, given, size = row.reshape(-1), tiles.reshape(-1), tiles.shape[1]
    whole = straight // SQUARE * SQUARE
    for o in range(0, outputs, SQUARE):
        source, have = o // width * size + o % width, min(SQUARE, outputs - o)
        begin = whole if have == SQUARE else 0
        for j in range(0, begin, SQUARE):
            turn(given, flat, (source + j * width, width, SQUARE, o * taps + j, taps))  # type: ignore[call-arg]
        for j in range(begin, taps):
            for r in range(have):
                row[o + r, j] = given[source + places[j] * width + r]


@njit(cache=True, nogil=True, error_model="numpy")
def _image(x: Array, margin: Ints) -> int:
    """Numbers of one example of x [N, C, H, W] with its margin."""
    return x.shape[1] * (x.shape[2] + margin[2] + margin[3]) * (x.shape[3] + margin[0] + margin[1])


@cache
def convolution(lines: int, taps: int, width: int) -> Callable[..., None]:
    """run(x, d, margin, starts, heads, keep, total, norms), for tiles of a size.

    Adds to total, in tiles, the sum over examples of their weight gradients; norms [N]: their squared norms.
    x [N, C, H, W], d [N, O, T], contiguous; margin: zeros around the input (left, right, top, bottom).
    """
    tile = (0,) * lines, (0,) * taps, (0,) * width

    @njit(cache=True, nogil=True, error_model="numpy")
    def run(
        x: Array, d: Array, margin: Ints, starts: Array, heads: Array, keep: Array, total: Array, norms: Array
    ) -> None:
        (outputs, positions), width = d.shape[1:], len(tile[2])
        image, padded = _image(x, margin), max(margin) > 0
        each = total.shape[0] * width * positions
        count = min(len(x), _together(image + each, x.itemsize))
        images = np.zeros(count * image if padded else 0, x.dtype)
        turned = np.empty(count * each, x.dtype)
        squares = np.empty((count, width))
        flat = d.reshape(-1)
        for start in range(0, len(x), count):
            have = min(count, len(x) - start)
            squares[:] = 0
            for n in range(have):
                _turn_over(flat, (start + n) * outputs * positions, positions, outputs, width, turned, n * each)
                if padded:
                    _surround(x[start + n], margin, images, n * image)
            seen = images if padded else x[start : start + have].reshape(-1)
            steps = each, positions * width, width
            _examples(seen, image, turned, steps, starts, heads, keep, tile, total, squares[:have])
            for n in range(have):
                norms[start + n] = squares[n].sum()

    found: Callable[..., None] = run
    return found


@cache
def linear(lines: int, taps: int, width: int) -> Callable[..., None]:
    """run(x, d, starts, heads, keep, total, norms): as `convolution`, for x [N, T, I] and d [N, T, O], contiguous."""
    tile = (0,) * lines, (0,) * taps, (0,) * width

    @njit(cache=True, nogil=True, error_model="numpy")
    def run(x: Array, d: Array, starts: Array, heads: Array, keep: Array, total: Array, norms: Array) -> None:
        positions, outputs = d.shape[1:]
        width, inputs = len(tile[2]), x.shape[1] * x.shape[2]
        parted = outputs % width > 0
        each = total.shape[0] * width * positions
        count = min(len(x), _together(inputs + each, x.itemsize))
        laid = np.empty(count * each if parted else 0, x.dtype)
        steps = (each, positions * width, width) if parted else (positions * outputs, width, outputs)
        squares = np.empty((count, width))
        flat = d.reshape(-1)
        for start in range(0, len(x), count):
            have = min(count, len(x) - start)
            squares[:] = 0
            if parted:
                for n in range(have):
                    _part(flat, (start + n) * positions * outputs, positions, outputs, width, laid, n * each)
            seen, given = laid if parted else d[start : start + have].reshape(-1), x[start : start + have].reshape(-1)
            _examples(given, inputs, seen, steps, starts, heads, keep, tile, total, squares[:have])
            for n in range(have):
                norms[start + n] = squares[n].sum()

    found: Callable[..., None] = run
    return found


@cache
def convolution_rows(lines: int, taps: int, width: int) -> Callable[..., None]:
    """run(x, d, margin, starts, heads, keep, places, straight, rows): as `convolution`, each example's gradient apart,
    in rows [N, O, J]. places, straight: see `_lay_out`."""
    tile = (0,) * lines, (0,) * taps, (0,) * width

    @njit(cache=True, nogil=True, error_model="numpy")
    def run(
        x: Array, d: Array, margin: Ints, starts: Array, heads: Array, keep: Array, places: Array, straight: int,
        rows: Array,
    ) -> None:  # fmt: skip
        (outputs, positions), width = d.shape[1:], len(tile[2])
        blocks, padded = (outputs + width - 1) // width, max(margin) > 0
        images = np.zeros(_image(x, margin) if padded else 0, x.dtype)
        turned, tiles = np.empty(blocks * width * positions, x.dtype), np.empty((blocks, keep.size * width), x.dtype)
        squares, flat = np.zeros((1, width)), d.reshape(-1)
        for n in range(len(x)):
            _turn_over(flat, n * outputs * positions, positions, outputs, width, turned, 0)
            if padded:
                _surround(x[n], margin, images, 0)
            tiles[:] = 0
            seen, steps = images if padded else x[n].reshape(-1), (0, positions * width, width)
            _examples(seen, 0, turned, steps, starts, heads, keep, tile, tiles, squares)
            _lay_out(tiles, width, places, straight, rows[n])

    found: Callable[..., None] = run
    return found
