"""Inputs of a split on the device: a tensor where the whole split fits in memory, else read when asked for."""

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from trainables.datasets.lazy import Lazy, Pictures, fits

CHUNK = 1000
"""Images that are brought to memory at a time."""


class Inputs(Protocol):
    """n inputs; indexed by a slice or by positions [k], gives a tensor [k, ...] on the device. A tensor is one."""

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: slice | Tensor, /) -> Tensor: ...


class Streamed:
    """Inputs that are made for each use, and differ in nothing from the same inputs held in a tensor."""

    def __init__(self, images: Lazy, dtype: torch.dtype, device: torch.device) -> None:
        self._images, self._dtype, self._device = images, dtype, device

    @property
    def device(self) -> torch.device:
        """Where the tensors are put."""
        return self._device

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: slice | Tensor, /) -> Tensor:
        positions = range(len(self))[index] if isinstance(index, slice) else index.cpu().numpy()
        return torch.from_numpy(self._images.take(positions)).to(self._device, self._dtype)


def as_inputs(x: Pictures, dtype: torch.dtype, device: torch.device) -> Inputs:
    """In memory what is there already or fits (a pure function of shape, dtype and limit); else streamed."""
    if isinstance(x, np.ndarray):
        return torch.tensor(x, dtype=dtype, device=device)
    if not fits(x.shape, dtype.itemsize):
        return Streamed(x, dtype, device)
    whole = torch.empty(x.shape, dtype=dtype, device=device)
    for start in range(0, len(x), CHUNK):
        whole[start : start + CHUNK] = torch.from_numpy(x.take(range(len(x))[start : start + CHUNK])).to(dtype)
    return whole
