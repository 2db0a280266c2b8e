"""Corruptions of images, labels kept: noise in place of a fraction of them, or pixels that change places.

Each image has a stream of its own, keyed by (seed, purpose, index), and is changed by itself: images that are made
when asked for are changed then.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from trainables.corruptions import GaussianPixels, ShuffledPixels
from trainables.corruptions.interface import Corrupted, selection
from trainables.datasets.arrays import Arrays
from trainables.datasets.lazy import Image, Lazy, Pictures, changed
from trainables.seeding import stream

CHUNK = 1000
"""Images that are summed at once in float64."""


def replace_images(choice: GaussianPixels, arrays: Arrays, classes: int, seed: int) -> Corrupted:
    """Selected training images become mean + deviation * N(0, 1) of their channel; test images stay."""
    del classes
    _, selected = selection(seed, len(arrays.train_x), choice.fraction)
    mean, deviation = (moment[:, None, None] for moment in channel_moments(arrays.train_x))

    def noise(i: int, image: Image) -> Image:
        if not selected[i]:
            return image
        drawn = stream(seed, f"corruption/gaussian-pixels/{i}").standard_normal(image.shape)
        return (mean + deviation * drawn).astype(np.float32)

    x = changed(arrays.train_x, noise, _described(choice, seed))
    return Corrupted(replace(arrays, train_x=x), selected)


def channel_moments(x: Pictures) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Mean and standard deviation of each channel over images [n, channels, height, width], in float64.

    Summed in the same pieces whether the images are in memory or not.
    """
    axes, count = (0, 2, 3), len(x) * x.shape[2] * x.shape[3]
    pieces = [range(len(x))[start : start + CHUNK] for start in range(0, len(x), CHUNK)]
    mean = sum(_some(x, piece).sum(axis=axes, dtype=np.float64) for piece in pieces) / count
    squares = sum(np.square(_some(x, piece) - mean[:, None, None]).sum(axis=axes) for piece in pieces)
    return mean, np.sqrt(squares / count)


def _some(x: Pictures, positions: range) -> Image:
    return x.take(positions) if isinstance(x, Lazy) else x[positions.start : positions.stop]


def shuffle(choice: ShuffledPixels, arrays: Arrays, classes: int, seed: int) -> Corrupted:
    """All training images, and with one permutation `per` data set the test images, with their pixels moved."""
    del classes
    everything, what = np.ones(len(arrays.train_x), dtype=bool), _described(choice, seed)
    size = arrays.train_x.shape[2] * arrays.train_x.shape[3]
    if choice.per == "dataset":
        common = stream(seed, "corruption/shuffled-pixels").permutation(size)
        both = (changed(x, lambda _, image: moved(image, common), what) for x in (arrays.train_x, arrays.test_x))
        train_x, test_x = both
        return Corrupted(replace(arrays, train_x=train_x, test_x=test_x), everything)

    def own(i: int, image: Image) -> Image:
        return moved(image, stream(seed, f"corruption/shuffled-pixels/{i}").permutation(size))

    return Corrupted(replace(arrays, train_x=changed(arrays.train_x, own, what)), everything)


def moved(image: Image, order: npt.NDArray[np.int64]) -> Image:
    """Pixel k of the image is what was pixel order[k], in every channel."""
    return image.reshape(len(image), -1)[:, order].reshape(image.shape)


def _described(choice: GaussianPixels | ShuffledPixels, seed: int) -> str:
    return f"{choice.model_dump_json()}/{seed}"
