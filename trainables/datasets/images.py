"""Parameters that image sets share: which classes and how many of each, and the size of an image."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from trainables.datasets.facts import WHOLE, DatasetFacts, ImageSet
from trainables.datasets.folder import MissingDataError, data_root
from trainables.datasets.source import DOWNLOADS, PACKAGED, Source, lacks_files, lacks_package
from trainables.registry import Integer, Real

Count = Annotated[Integer, Field(ge=1)]


class Subset(Source, ABC):
    """A subset of an image set, taken in this order; by default everything, in the set's own order.

    `classes`: only these, in both splits, with labels 0, 1, ... in their place. `balance: equal`: as many training
    examples of each class as the smallest has. `imbalance` r: class c of C keeps n_c r^(-c / (C - 1)), rounded down,
    of its n_c training examples, so that with equal classes the first has r times as many as the last (the long tail
    of Cui et al. 2019). `train_examples`: so many of what is left, with the shares of its classes.
    """

    classes: Annotated[tuple[Annotated[Integer, Field(ge=0)], ...], Field(min_length=2)] | None = None
    balance: Literal["as-is", "equal"] = "as-is"
    imbalance: Annotated[Real, Field(ge=1.0)] = 1.0
    train_examples: Count | None = None

    @abstractmethod
    def whole(self) -> ImageSet:
        """The set before the subset is taken. Raises MissingDataError where it is not known on this machine."""

    @model_validator(mode="after")
    def _within(self) -> Self:
        try:
            whole = self.whole()
        except MissingDataError as error:
            raise ValueError(str(error)) from error
        self._check_classes(whole.classes)
        sizes = kept_of_class(self, whole)
        if self.imbalance > 1 and min(sizes) == 0:
            raise ValueError(
                f"imbalance {self.imbalance:g} leaves no training example of class {sizes.index(0)} of {len(sizes)};"
                " use a smaller number."
            )
        if self.train_examples is not None and self.train_examples > sum(sizes):
            raise ValueError(
                f"train_examples {self.train_examples} is more than the {sum(sizes)} of {self.name}"
                f"{'' if sum(sizes) == whole.train else ' that are left'}; leave it out for all."
            )
        return self

    def _check_classes(self, count: int) -> None:
        given = self.classes
        if given is None:
            return
        if list(given) != (ascending := sorted(set(given))):
            raise ValueError(f"classes {list(given)} must be ascending, each once; write {ascending}.")
        if given[-1] >= count:
            raise ValueError(f"classes: there is no class {given[-1]} in {self.name}; it has 0 to {count - 1}.")


class Images(Subset):
    """An image set of fixed content. `resize` n: images become n x n pixels (bilinear, antialiased when smaller)."""

    resize: Count | None = None

    def whole(self) -> ImageSet:
        """From the table."""
        return WHOLE[self.name]

    def lacks(self) -> str | None:
        """The package that brings it, or its files and every server that has them."""
        if self.name in PACKAGED:
            return lacks_package(self.name, PACKAGED[self.name])
        return lacks_files(self.name, DOWNLOADS[self.name], data_root())


def kept_of_class(choice: Subset, whole: ImageSet) -> tuple[int, ...]:
    """Training examples of each kept class, before `train_examples`: n_c r^(-c / (C - 1)) rounded down."""
    sizes: Sequence[int] = [whole.train_of_class[label] for label in kept_classes(choice, whole)]
    if choice.balance == "equal":
        sizes = [min(sizes)] * len(sizes)
    last = max(len(sizes) - 1, 1)
    return tuple(int(size / choice.imbalance ** (c / last)) for c, size in enumerate(sizes))


def kept_classes(choice: Subset, whole: ImageSet) -> tuple[int, ...]:
    """Original labels of the classes that stay, ascending."""
    return choice.classes or tuple(range(whole.classes))


def image_facts(choice: Subset) -> DatasetFacts:
    """The facts of an image set after its subset is taken and its images are resized."""
    whole = choice.whole()
    labels, resize = kept_classes(choice, whole), getattr(choice, "resize", None)
    return DatasetFacts(
        shape=(whole.shape[0], resize, resize) if resize else whole.shape,
        classes=len(labels),
        train=choice.train_examples or sum(kept_of_class(choice, whole)),
        test=sum(whole.test_of_class[label] for label in labels),
    )
