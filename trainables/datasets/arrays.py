"""A data set is arrays: images or features (in memory, or made when asked for), integer labels, a fixed split."""

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trainables.datasets.lazy import Lazy, Pictures


@dataclass(frozen=True)
class Arrays:
    """x: float32 [n, ...]; y: int64 [n]; training and test split. Index i is the position in the split."""

    train_x: Pictures
    train_y: npt.NDArray[np.int64]
    test_x: Pictures
    test_y: npt.NDArray[np.int64]


def stratified_split(
    labels: npt.NDArray[np.int64], test_of_class: dict[int, int]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Indices of a fixed split: the given number of each class, evenly spread over its examples, go to the test side.

    Involves no random draw: it is the same on every machine and for every seed.
    """
    test: list[int] = []
    for label, count in sorted(test_of_class.items()):
        members = np.flatnonzero(labels == label)
        test.extend(members[(np.arange(count) * len(members)) // count])
    held_out = np.zeros(len(labels), dtype=bool)
    held_out[test] = True
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def split_arrays(x: npt.NDArray[np.float32], y: npt.NDArray[np.int64], test_of_class: dict[int, int]) -> Arrays:
    """The arrays divided by `stratified_split`."""
    train, test = stratified_split(y, test_of_class)
    return Arrays(x[train], y[train], x[test], y[test])


def read_only(arrays: Arrays) -> Arrays:
    """The same arrays, closed to writing, so that they can be shared by the trials of a process."""
    for array in (arrays.train_x, arrays.train_y, arrays.test_x, arrays.test_y):
        if isinstance(array, np.ndarray):
            array.flags.writeable = False
    return arrays


def taken(x: Pictures, positions: npt.NDArray[np.int64]) -> Pictures:
    """The examples at these positions, in this order."""
    return x.pick(positions) if isinstance(x, Lazy) else x[positions]


def digest(*arrays: npt.NDArray | Lazy) -> str:
    """SHA-256 over dtype, shape and bytes of the arrays in order; of images made when asked for, over what they
    are made from."""
    total = hashlib.sha256()
    for array in arrays:
        total.update(f"{array.dtype.str}{array.shape}".encode())
        total.update(array.identity.encode() if isinstance(array, Lazy) else np.ascontiguousarray(array).tobytes())
    return total.hexdigest()
