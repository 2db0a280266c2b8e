"""Images at another size."""

from dataclasses import replace

import numpy as np
import torch
from torch.nn import functional

from trainables.datasets.arrays import Arrays, digest
from trainables.datasets.lazy import Image, Lazy, Pictures


def resized(arrays: Arrays, size: int | None) -> Arrays:
    """Every image at size x size pixels; None, or the size they have, leaves the arrays as they are.

    The result is made image by image when asked for, since it may be far larger than what it is made from.
    """
    if size is None or arrays.train_x.shape[2:] == (size, size):
        return arrays
    return replace(arrays, train_x=_resized(arrays.train_x, size), test_x=_resized(arrays.test_x, size))


def _resized(x: Pictures, size: int) -> Lazy:
    lazy = x if isinstance(x, Lazy) else Lazy(lambda i: x[i], x.shape, digest(x))
    return lazy.map(lambda _, image: bilinear(image, size), f"bilinear/{size}", (x.shape[1], size, size))


def bilinear(image: Image, size: int) -> Image:
    """Image [channels, height, width] at size x size: pixel centres at (i + 1/2) height / size - 1/2, weights of a
    triangle as wide as the larger of both pixels (no aliasing when the image shrinks)."""
    # A copy: torch warns of memory that must not be written to.
    source = torch.from_numpy(np.array(image))[None]
    found = functional.interpolate(source, (size, size), mode="bilinear", align_corners=False, antialias=True)
    return found[0].numpy()
