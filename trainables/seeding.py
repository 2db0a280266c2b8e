"""Independent named random streams: a stream depends on (seed, purpose) and on nothing else.

Trials that differ in model or aggregator therefore share data order, corrupted labels and probe
sample (paired by design). Per-example draws are keyed by the example's index.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import torch


def derived_seed(seed: int, purpose: str) -> int:
    """128 bits of SHA-256 over the purpose and the seed."""
    return int.from_bytes(hashlib.sha256(f"{purpose}\0{seed}".encode()).digest()[:16], "big")


def stream(seed: int, purpose: str) -> np.random.Generator:
    """A fresh PCG64 generator for one purpose, always from its beginning."""
    return np.random.Generator(np.random.PCG64(derived_seed(seed, purpose)))


def uniforms(seed: int, purpose: str, indices: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """One uniform draw in [0, 1) for each example index, the same whatever other indices are asked for."""
    if indices.size == 0:
        return np.empty(0)
    return stream(seed, purpose).random(int(indices.max()) + 1)[indices]


def epoch_order(seed: int, epoch: int, size: int) -> npt.NDArray[np.int64]:
    """The order in which an epoch visits the training set: a permutation of 0..size-1."""
    return stream(seed, f"order/{epoch}").permutation(size)


@contextmanager
def torch_stream(seed: int, purpose: str, device: torch.device | None = None) -> Iterator[None]:
    """Run torch code that draws from the global generators (of the CPU and of `device`) on a named stream, and put
    the generators back."""
    devices = [device] if device is not None and device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        derived = derived_seed(seed, purpose) % 2**63
        torch.default_generator.manual_seed(derived)
        if devices:
            with torch.cuda.device(devices[0]):
                torch.cuda.manual_seed(derived)
        yield
