"""gaussian-clusters: synthetic classes around random centres; as large, wide and hard as its parameters say."""

import numpy as np
import numpy.typing as npt

from trainables.datasets import GaussianClusters
from trainables.datasets.arrays import Arrays
from trainables.seeding import stream


def load(choice: GaussianClusters) -> Arrays:
    """x = centre of the class + spread * N(0, I), [n, features]; example i is of class i mod classes.

    Each part has its own stream of `data_seed`: a larger training split changes neither centres nor test split.
    """
    centres = _normals(choice, "centres", choice.classes)
    return Arrays(*_split(choice, "train", choice.train, centres), *_split(choice, "test", choice.test, centres))


def _split(
    choice: GaussianClusters, part: str, size: int, centres: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    y = np.arange(size, dtype=np.int64) % choice.classes
    x = centres[y] + choice.spread * _normals(choice, part, size)
    return x.astype(np.float32), y


def _normals(choice: GaussianClusters, part: str, rows: int) -> npt.NDArray[np.float64]:
    return stream(choice.data_seed, f"gaussian-clusters/{part}").standard_normal((rows, choice.features))
