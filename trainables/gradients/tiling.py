"""How a gradient is cut into tiles that fit a processor's registers, and where each tile reads its input.

The weight gradient of an example is row[j, o] = sum_t x[start_t + offset_j] d[t, o]: of a convolution, start_t is
where the window of position t begins in the padded image, and the taps j are runs of neighbours, one for each channel
and line of the kernel; of Linear with positions, there is one run, the inputs. A run is cut into lines of equally many
taps, the last of which may begin earlier and repeat some.

A tile's size depends on the processor, sums of the tile do not: each is added up in the order of positions.
"""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray

HEADS = 8
"""Lines of a tile at most: each needs an address in a register of its own."""


WIDTHS = (32, 16, 8)
"""Outputs of a tile."""


class Registers(NamedTuple):
    """Of a processor: bytes of one, and how many of them a tile may have."""

    bytes: int
    sums: int


WIDE, NARROW = Registers(64, 25), Registers(32, 12)
"""With 32 registers of 512 bits, as AVX-512 has; with 16 of 256 (AVX2), or 32 of 128."""


@cache
def registers() -> Registers:
    """Of the processor that numba compiles for."""
    from numba.core.registry import cpu_target  # slow to import, and wanted by those alone who call a kernel

    *_, features = cpu_target.target_context.codegen().magic_tuple()
    return WIDE if "+avx512f" in features.split(",") else NARROW


class Tiling(NamedTuple):
    """How rows [J, O] are cut.

    lines, taps, width: of a tile, lines of so many taps times so many outputs. heads [L]: where each line begins,
    filled up to whole tiles. keep [L taps]: 1, or 0 for a tap that is there twice. places [J]: where each tap is.
    straight: so many of the first taps stand at their own place.
    """

    outputs: int
    lines: int
    taps: int
    width: int
    heads: Array
    keep: Array
    places: Array
    straight: int

    @property
    def shape(self) -> tuple[int, int]:
        """Of the matrix that tiles are added up in: blocks of outputs, numbers of a block."""
        return -(-self.outputs // self.width), self.keep.size * self.width


def tiling_of(outputs: int, runs: Sequence[int], length: int, number: np.dtype) -> Tiling:
    """Of a layer with `outputs`, and runs of `length` taps that begin at these offsets; of `number`s."""
    have = registers()
    width = _width(outputs, number.itemsize, have)
    most = have.sums // -(-width * number.itemsize // have.bytes)
    pieces = -(-length // most)
    taps = -(-length // pieces) if pieces < 3 else most
    begins = [min(piece * taps, length - taps) for piece in range(-(-length // taps))]
    offsets = [run + begin for run in runs for begin in begins]
    heads = max(1, min(HEADS, most // taps))
    tiles = -(-len(offsets) // heads)
    lines = -(-len(offsets) // tiles)
    padding = tiles * lines - len(offsets)
    own = np.ones((len(begins), taps), number)
    own[-1, : len(begins) * taps - length] = 0
    keep = np.concatenate([np.tile(own.reshape(-1), len(runs)), np.zeros(padding * taps, number)])
    heads_of = np.array(offsets + [offsets[0]] * padding, np.int64)
    places = keep.nonzero()[0]
    return Tiling(outputs, lines, taps, width, heads_of, keep, places, int((places == np.arange(places.size)).sum()))


def _width(outputs: int, size: int, have: Registers) -> int:
    """Outputs of a tile: two registers or less, whichever leaves the fewest over; of equals the widest."""
    widths = [width for width in WIDTHS if width * size <= 2 * have.bytes]
    return min(widths, key=lambda width: -(-outputs // width) * width)


def convolution_tiling(
    outputs: int, shape: tuple[int, int, int], kernel: tuple[int, int], dilation: tuple[int, int], number: np.dtype
) -> Tiling:
    """Of a convolution on padded input of `shape` (C, H, W). With a horizontal dilation every tap is a run."""
    (channels, height, width), (high, wide) = shape, kernel
    across = range(1) if dilation[1] == 1 else range(0, wide * dilation[1], dilation[1])
    runs = [(c * height + a * dilation[0]) * width + b for c in range(channels) for a in range(high) for b in across]
    return tiling_of(outputs, runs, wide // len(across), number)
