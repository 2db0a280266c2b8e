"""Corruptions of images, labels kept: noise in place of a fraction of them, or pixels that change places.

Each image has a stream of its own, keyed by (seed, purpose, index).
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from trainables.corruptions import GaussianPixels, ShuffledPixels
from trainables.corruptions.interface import Corrupted, selection
from trainables.datasets.arrays import Arrays
from trainables.seeding import stream

Images = npt.NDArray[np.float32]
CHUNK = 1000
"""Images whose squares are summed at once in float64."""


def replace_images(choice: GaussianPixels, arrays: Arrays, classes: int, seed: int) -> Corrupted:
    """Selected training images become mean + deviation * N(0, 1) of their channel; test images stay."""
    del classes
    _, selected = selection(seed, len(arrays.train_x), choice.fraction)
    mean, deviation = channel_moments(arrays.train_x)
    x = arrays.train_x.copy()
    for i in np.flatnonzero(selected):
        noise = stream(seed, f"corruption/gaussian-pixels/{i}").standard_normal(x.shape[1:])
        x[i] = mean[:, None, None] + deviation[:, None, None] * noise
    return Corrupted(replace(arrays, train_x=x), selected)


def channel_moments(x: Images) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Mean and standard deviation of each channel over images [n, channels, height, width], in float64."""
    axes = (0, 2, 3)
    mean = x.mean(axis=axes, dtype=np.float64)
    squares = np.zeros_like(mean)
    for start in range(0, len(x), CHUNK):
        squares += np.square(x[start : start + CHUNK] - mean[:, None, None]).sum(axis=axes)
    return mean, np.sqrt(squares / (x.size / len(mean)))


def shuffle(choice: ShuffledPixels, arrays: Arrays, classes: int, seed: int) -> Corrupted:
    """All training images, and with one permutation `per` data set the test images, with their pixels moved."""
    del classes
    everything = np.ones(len(arrays.train_x), dtype=bool)
    if choice.per == "dataset":
        order = stream(seed, "corruption/shuffled-pixels").permutation(_pixels(arrays.train_x))
        moved = replace(arrays, train_x=_moved(arrays.train_x, order), test_x=_moved(arrays.test_x, order))
        return Corrupted(moved, everything)
    x = np.empty_like(arrays.train_x)
    for i, image in enumerate(arrays.train_x):
        order = stream(seed, f"corruption/shuffled-pixels/{i}").permutation(_pixels(arrays.train_x))
        x[i] = _moved(image[None], order)[0]
    return Corrupted(replace(arrays, train_x=x), everything)


def _pixels(x: Images) -> int:
    return x.shape[2] * x.shape[3]


def _moved(x: Images, order: npt.NDArray[np.int64]) -> Images:
    """Pixel k of each image is what was pixel order[k], in every channel."""
    return np.ascontiguousarray(x.reshape(*x.shape[:2], -1)[:, :, order]).reshape(x.shape)
