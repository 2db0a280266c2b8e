"""Images that are made when they are asked for: decoded from a file, resized, with pixels changed.

What is asked for decides nothing about what comes: image i is the same alone, in a batch, and in a whole set that is
brought to memory once.
"""

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from math import prod

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.float32]
VARIABLE = "GRADIENT_COHERENCE_MEMORY"
LIMIT_MIB = 4096
"""Largest split that is held in memory, unless the environment variable says otherwise."""
THREADS = 4
PIECE = 16
"""Images that a thread makes in one go."""


@dataclass(frozen=True)
class Lazy:
    """n images [n, channels, height, width] in float32.

    read: position -> image [channels, height, width], the same each time; must not be changed by whoever reads.
    identity: digest of everything that the content follows from. threaded: several are read at a time.
    """

    read: Callable[[int], Image]
    shape: tuple[int, ...]
    identity: str
    threaded: bool = False
    dtype = np.dtype(np.float32)

    def __len__(self) -> int:
        return self.shape[0]

    def take(self, positions: npt.NDArray[np.int64] | range) -> Image:
        """The images at these positions, stacked."""
        images = np.empty((len(positions), *self.shape[1:]), dtype=np.float32)

        def fill(start: int) -> None:
            for row in range(start, min(start + PIECE, len(positions))):
                images[row] = self.read(int(positions[row]))

        starts = range(0, len(positions), PIECE)
        for _ in _pool().map(fill, starts) if self.threaded else map(fill, starts):
            pass  # what a thread raises is raised here
        return images

    def pick(self, positions: npt.NDArray[np.int64]) -> "Lazy":
        """The images at these positions, as a set of their own."""
        read, identity = self.read, derived(self.identity, positions.astype("<i8").tobytes())
        return replace(
            self, read=lambda i: read(int(positions[i])), shape=(len(positions), *self.shape[1:]), identity=identity
        )

    def map(
        self, change: Callable[[int, Image], Image], what: str, image_shape: tuple[int, int, int] | None = None
    ) -> "Lazy":
        """The images after a change of each, keyed by its position; `what` describes the change in full."""
        read, identity = self.read, derived(self.identity, what.encode())
        shape = (len(self), *(image_shape or self.shape[1:]))
        return replace(self, read=lambda i: change(i, read(i)), shape=shape, identity=identity)


Pictures = Image | Lazy
"""Images [n, ...] in memory, or made when asked for."""


def changed(x: Pictures, change: Callable[[int, Image], Image], what: str) -> Pictures:
    """Each image after `change(position, image)`, which keeps its shape; `what` describes the change in full."""
    if isinstance(x, Lazy):
        return x.map(change, what)
    after = np.empty_like(x)
    for i, image in enumerate(x):
        after[i] = change(i, image)
    return after


def derived(identity: str, what: bytes) -> str:
    """Digest of something made from what `identity` stands for."""
    return hashlib.sha256(identity.encode() + b"\0" + what).hexdigest()


def fits(shape: tuple[int, ...], item_bytes: int) -> bool:
    """Whether an array of this shape may be held in memory: at most GRADIENT_COHERENCE_MEMORY MiB, default 4096.

    Changes how images are kept and no number. Raises ValueError when the variable is no whole number.
    """
    given = os.environ.get(VARIABLE, str(LIMIT_MIB))
    if not given.isascii() or not given.isdigit():
        raise ValueError(f"the environment variable {VARIABLE} is {given!r}; expected a whole number of MiB.")
    return prod(shape) * item_bytes <= int(given) * 2**20


@cache
def _pool() -> ThreadPoolExecutor:
    """One small pool a process: decoders leave the interpreter lock while they work."""
    return ThreadPoolExecutor(THREADS, thread_name_prefix="images")
