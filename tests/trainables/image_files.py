"""Tiny files laid out as the originals of mnist, fashion-mnist, cifar10 and cifar100."""

import hashlib
import pickle
import struct
from pathlib import Path

import numpy as np

from trainables.datasets.facts import WHOLE, ImageSet
from trainables.datasets.vision import READERS

TRAIN, TEST = 40, 10


def pixels_of(name: str, count: int) -> np.ndarray:
    """uint8 [count, channels, height, width]: every pixel of image i is i, but its first is 255."""
    images = np.tile(np.arange(count, dtype=np.uint8)[:, None, None, None], (1, *WHOLE[name].shape))
    images[:, 0, 0, 0] = 255
    return images


def labels_of(count: int) -> list[int]:
    return [7 * i % 10 for i in range(count)]


def write_files(name: str, root: Path) -> None:
    """40 training and 10 test images below `root`."""
    write = _write_idx if name.endswith("mnist") else _write_batches
    write(name, root)


def _write_idx(name: str, root: Path) -> None:
    folder = root / READERS[name].__name__ / "raw"
    folder.mkdir(parents=True)
    for part, count in (("train", TRAIN), ("t10k", TEST)):
        images, labels = pixels_of(name, count), np.array(labels_of(count), dtype=np.uint8)
        head = struct.pack(">4B3I", 0, 0, 8, 3, count, *images.shape[2:])
        (folder / f"{part}-images-idx3-ubyte").write_bytes(head + images.tobytes())
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">4BI", 0, 0, 8, 1, count) + labels.tobytes())


def _write_batches(name: str, root: Path) -> None:
    reader = READERS[name]
    folder = root / reader.base_folder
    folder.mkdir(parents=True)
    key = "labels" if name == "cifar10" else "fine_labels"
    for files, count in ((reader.train_list, TRAIN), (reader.test_list, TEST)):
        images, labels, size = pixels_of(name, count).reshape(count, -1), labels_of(count), count // len(files)
        for k, (file, _) in enumerate(files):
            part = slice(k * size, (k + 1) * size)
            (folder / file).write_bytes(pickle.dumps({"data": images[part], key: labels[part]}))
    (folder / reader.meta["filename"]).write_bytes(pickle.dumps({reader.meta["key"]: ["a class"]}))


def accept(name: str, root: Path, monkeypatch) -> None:
    """Let the reader take the tiny files for the originals: their counts and, for CIFAR, their checksums."""
    rest = (0,) * (WHOLE[name].classes - 10)
    monkeypatch.setitem(WHOLE, name, ImageSet(WHOLE[name].shape, (TRAIN // 10,) * 10 + rest, (TEST // 10,) * 10 + rest))
    reader = READERS[name]
    if not hasattr(reader, "base_folder"):
        return
    folder = root / reader.base_folder

    def summed(file: str) -> str:
        return hashlib.md5((folder / file).read_bytes()).hexdigest()

    for files in ("train_list", "test_list"):
        monkeypatch.setattr(reader, files, [[file, summed(file)] for file, _ in getattr(reader, files)])
    monkeypatch.setattr(reader, "meta", {**reader.meta, "md5": summed(reader.meta["filename"])})
