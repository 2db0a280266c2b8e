"""mnist, fashion-mnist, cifar10, cifar100: read through torchvision, kept in memory as arrays."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torchvision import datasets

from trainables.datasets.arrays import Arrays, read_only
from trainables.datasets.facts import WHOLE
from trainables.datasets.folder import VARIABLE, MissingDataError, data_root, ensure_files
from trainables.datasets.images import Images
from trainables.datasets.subset import arranged

READERS: dict[str, Callable[..., Any]] = {
    "mnist": datasets.MNIST,
    "fashion-mnist": datasets.FashionMNIST,
    "cifar10": datasets.CIFAR10,
    "cifar100": datasets.CIFAR100,
}


def load(choice: Images) -> Arrays:
    """Images [n, channels, height, width], pixels in [0, 1]; downloaded where the files are not in `data_root()`.

    Raises MissingDataError without files and network, or where the files hold something else.
    """
    return arranged(_whole(choice.name, data_root()), choice)


@lru_cache(maxsize=1)
def _whole(name: str, root: Path) -> Arrays:
    """Read once a process, as long as its trials share a data set: CIFAR takes 740 MB."""
    reader = READERS[name]
    ensure_files(name, root, expected_files(name), lambda folder: reader(folder, download=True))
    try:
        train_x, train_y = _split(name, reader(root, train=True))
        test_x, test_y = _split(name, reader(root, train=False))
    except (RuntimeError, ValueError, AssertionError, EOFError) as error:
        raise MissingDataError(
            f"data set {name!r}: the files in {root} cannot be read ({error}). Expected {WHOLE[name].train} training"
            f" and {WHOLE[name].test} test images in the original format; delete them to download them again, or name"
            f" another folder in the environment variable {VARIABLE}."
        ) from error
    return read_only(Arrays(train_x, train_y, test_x, test_y))


def expected_files(name: str) -> list[str]:
    """Paths, relative to the folder, of the files that torchvision reads."""
    reader: Any = READERS[name]
    if hasattr(reader, "base_folder"):
        files = [file for file, _ in reader.train_list + reader.test_list] + [reader.meta["filename"]]
        return [f"{reader.base_folder}/{file}" for file in files]
    return [f"{reader.__name__}/raw/{Path(file).stem}" for file, _ in reader.resources]


def _split(name: str, data: Any) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    pixels, whole = np.asarray(data.data), WHOLE[name]
    pixels = pixels[:, None] if pixels.ndim == 3 else pixels.transpose(0, 3, 1, 2)
    labels = np.asarray(data.targets, dtype=np.int64)
    of_class = whole.train_of_class if data.train else whole.test_of_class
    if pixels.shape != (sum(of_class), *whole.shape) or labels.shape != (sum(of_class),):
        raise ValueError(f"found images {pixels.shape} and labels {labels.shape}")
    if tuple(found := np.bincount(labels, minlength=whole.classes)) != of_class:
        raise ValueError(f"found {found.tolist()} images of the classes, expected {list(of_class)}")
    x = np.empty(pixels.shape, dtype=np.float32)
    np.divide(pixels, np.float32(255), out=x)
    return x, labels
