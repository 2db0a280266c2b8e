"""digits: scikit-learn's 1,797 images of 8 x 8 pixels, for tests and first tries."""

from functools import cache

import numpy as np
from sklearn.datasets import load_digits

from trainables.datasets import Digits
from trainables.datasets.arrays import Arrays, read_only, split_arrays
from trainables.datasets.subset import arranged


def load(choice: Digits) -> Arrays:
    """At most 1,400 training and 397 test images [n, 1, 8, 8], pixels in [0, 1]."""
    return arranged(_arrays(), choice)


@cache
def _arrays() -> Arrays:
    """Read once a process: parsing the packaged text takes as long as a short trial."""
    bunch = load_digits()
    x = (bunch.images[:, None] / 16.0).astype(np.float32)
    test = {label: 40 if label < 7 else 39 for label in range(10)}
    return read_only(split_arrays(x, bunch.target.astype(np.int64), test))
