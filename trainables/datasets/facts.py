"""Plain facts of data sets: what can be known without touching the data."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DatasetFacts:
    """shape: one example without the batch axis; classes; numbers of training and test examples."""

    shape: tuple[int, ...]
    classes: int
    train: int
    test: int


@dataclass(frozen=True)
class ImageSet:
    """An image set before any subset is taken: shape of an image, and images of each class in each split."""

    shape: tuple[int, int, int]
    train_of_class: tuple[int, ...]
    test_of_class: tuple[int, ...]

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.train_of_class)

    @property
    def train(self) -> int:
        """Training images."""
        return sum(self.train_of_class)

    @property
    def test(self) -> int:
        """Test images."""
        return sum(self.test_of_class)


WHOLE: dict[str, ImageSet] = {
    "mnist-5k": ImageSet((1, 28, 28), (400,) * 10, (100,) * 10),
    "digits": ImageSet(
        (1, 8, 8), (138, 142, 137, 143, 141, 142, 141, 140, 135, 141), (40, 40, 40, 40, 40, 40, 40, 39, 39, 39)
    ),
    "mnist": ImageSet(
        (1, 28, 28),
        (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949),
        (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009),
    ),
    "fashion-mnist": ImageSet((1, 28, 28), (6000,) * 10, (1000,) * 10),
    "cifar10": ImageSet((3, 32, 32), (5000,) * 10, (1000,) * 10),
    "cifar100": ImageSet((3, 32, 32), (500,) * 100, (100,) * 100),
}
"""The image sets of fixed content."""
