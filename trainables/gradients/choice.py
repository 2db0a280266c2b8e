"""Which kernel forms the rows of a layer: a pure function of the layer's shape, dtype and device type.

A kernel's cost for one example is a sum of units of work (multiply-adds, turns of an inner loop, numbers moved) times
seconds a unit from the shipped table `costs`. Nothing is timed here, and batch size and threads have no say, so that
a trial takes the same kernels wherever and however often it is started. Devices and dtypes that the table lacks take
torch's own operations.
"""

from functools import cache
from typing import NamedTuple

import torch

from trainables.gradients.costs import COSTS

Work = dict[str, tuple[float, ...]]
"""Kernel -> units of work for one example, in the order of the table. The first kernel needs torch alone."""


class ConvolutionShape(NamedTuple):
    """Of a convolution without groups.

    channels, outputs; taps: places under the kernel; lines: of taps that are one run in a channels-last image;
    places: of the padded input; positions: of the output; run: places from the first position to the last.
    """

    channels: int
    outputs: int
    taps: int
    lines: int
    places: int
    positions: int
    run: int


class LinearShape(NamedTuple):
    """Of Linear on input with positions."""

    positions: int
    inputs: int
    outputs: int


def work(shape: ConvolutionShape | LinearShape) -> Work:
    """Units of work of each kernel that can form the rows."""
    if isinstance(shape, LinearShape):
        positions, inputs, outputs = shape
        entries, threes = inputs * outputs, _up(outputs, 3)
        return {
            "bmm": (entries * positions, entries),
            "lines": (threes * inputs * positions, threes * positions, entries),
        }
    c, o, taps, lines, places, positions, run = shape
    entries, threes, blocks = o * c * taps, _up(o, 3), _up(o, 4) * _up(c * taps, 3)
    return {
        "patches": (entries * positions, c * taps * positions, entries),
        "runs": (blocks * run, blocks, c * places + o * positions, entries),
        "outer": (threes * c * taps * positions, threes * lines * positions, c * places, entries),
    }


@cache
def choose(shape: ConvolutionShape | LinearShape, device: str, dtype: torch.dtype) -> str:
    """The kernel of least cost; the first of equals."""
    units, table = work(shape), COSTS.get((device, str(dtype).removeprefix("torch.")), {})
    known = [name for name in units if name in table] or list(units)[:1]
    return min(known, key=lambda name: cost(units[name], table.get(name, ())))


def cost(units: tuple[float, ...], seconds: tuple[float, ...]) -> float:
    """Seconds of so many units of work."""
    return sum(number * each for number, each in zip(units, seconds, strict=False))


def _up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple
