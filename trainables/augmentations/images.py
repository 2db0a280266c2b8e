"""Augmentations of a batch of images: pure functions `(choice, x, index, seed, epoch) -> x`.

x: [N, C, H, W]; index: position of each example in the training set. Every draw is keyed by (seed, epoch, index), so
an example looks the same whatever batch it is in, and a resumed trial as an undisturbed one.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from trainables.augmentations import CropFlip, NoAugmentation
from trainables.seeding import uniforms

Indices = npt.NDArray[np.int64]


def keep(choice: NoAugmentation, x: Tensor, index: Indices, seed: int, epoch: int) -> Tensor:
    """The batch itself."""
    del choice, index, seed, epoch
    return x


def crop_flip(choice: CropFlip, x: Tensor, index: Indices, seed: int, epoch: int) -> Tensor:
    """A window of the image's own size at a random place of the zero-padded image; mirrored where drawn."""
    p = choice.padding
    size = 1 << int(index.max()).bit_length()
    rows, columns, mirrored = (_draws(seed, epoch, what, size)[index] for what in ("rows", "columns", "flip"))
    height, width = x.shape[2:]
    top = torch.from_numpy(np.floor(rows * (2 * p + 1)).astype(np.int64)).to(x.device)
    left = torch.from_numpy(np.floor(columns * (2 * p + 1)).astype(np.int64)).to(x.device)
    row = top[:, None] + torch.arange(height, device=x.device)
    column = left[:, None] + torch.arange(width, device=x.device)
    if choice.flip:
        flip = torch.from_numpy(mirrored < 0.5).to(x.device)
        column = torch.where(flip[:, None], column.flip(1), column)
    wide = functional.pad(x, (p, p, p, p))
    one = torch.arange(len(x), device=x.device)[:, None, None]
    # Index arrays on either side of the channel slice: examples, rows and columns come first, channels last.
    return wide[one, :, row[:, :, None], column[:, None, :]].permute(0, 3, 1, 2).contiguous()


@lru_cache(maxsize=3)
def _draws(seed: int, epoch: int, what: str, size: int) -> npt.NDArray[np.float64]:
    """Uniform draws of the examples 0 to size - 1 in an epoch, kept until another epoch asks: a batch needs few.

    Each is the same whatever the size.
    """
    return uniforms(seed, f"augmentation/{epoch}/{what}", np.arange(size))
