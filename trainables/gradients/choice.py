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

    channels, outputs; taps: places under the kernel; places: of the padded input; positions: of the output.
    """

    channels: int
    outputs: int
    taps: int
    places: int
    positions: int


class LinearShape(NamedTuple):
    """Of Linear on input with positions."""

    positions: int
    inputs: int
    outputs: int


def work(shape: ConvolutionShape | LinearShape) -> Work:
    """Units of work of each kernel that can form the rows."""
    if isinstance(shape, LinearShape):
        positions, inputs, outputs = shape
        entries, eights = inputs * outputs, _up(outputs, 8) * inputs
        moved = positions * (inputs + outputs)
        return {"bmm": (entries * positions, entries), "tiles": (eights * positions, eights, moved)}
    c, o, taps, places, positions = shape
    entries, eights = o * c * taps, _up(o, 8) * c * taps
    return {
        "patches": (entries * positions, c * taps * positions, entries),
        "tiles": (eights * positions, eights, c * places + o * positions),
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
