"""Tiny folders of images, written without loss."""

import os
from pathlib import Path

import numpy as np
from PIL import Image

OLD = 1_700_000_000
"""A time long before any test."""


def pixels_of(label: int, k: int, height: int = 8, width: int = 8) -> np.ndarray:
    """uint8 [height, width, 3]: another image for each label and number, brighter in the channel of its label."""
    image = np.random.default_rng([label, k]).integers(0, 100, (height, width, 3), dtype=np.uint8)
    image[..., label % 3] += np.uint8(120)
    return image


def write(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    os.utime(path, (OLD, OLD))
    return path


def write_classes(root: Path, counts: dict[str, int], start: int = 0) -> Path:
    """`<class>/<k>.png`, classes labelled in the order of their names."""
    for label, (name, count) in enumerate(sorted(counts.items())):
        for k in range(start, start + count):
            write(root / name / f"{k:02}.png", pixels_of(label, k))
    return root
