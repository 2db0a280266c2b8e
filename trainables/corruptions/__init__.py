"""Corruptions of labels and of pixels by name. Selected sets nest: example i is selected iff u_i < fraction."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from trainables.registry import Choice, Entry, Real, Surroundings, with_plugins

Fraction = Annotated[Real, Field(ge=0.0, le=1.0)]


class NoCorruption(Choice):
    """Every example keeps its label."""

    name: Literal["none"]


class PermutedLabels(Choice):
    """Labels are permuted among the selected; class totals are kept, and about one in ten of the
    selected keeps its label with 10 classes. The rule of the ICLR 2020 code."""

    name: Literal["permuted-labels"]
    fraction: Fraction


class UniformLabels(Choice):
    """The label of each selected example is redrawn uniformly over all classes."""

    name: Literal["uniform-labels"]
    fraction: Fraction


class Pixels(Choice):
    """A corruption of images."""

    def check(self, around: Surroundings) -> None:
        """Needs images: channels x height x width."""
        if len(around.shape) != 3:
            size = " x ".join(str(n) for n in around.shape)
            raise ValueError(
                f"{self.name} needs images; an example of {around.dataset!r} is {size}. Use another data set."
            )


class GaussianPixels(Pixels):
    """Selected training images become Gaussian noise with each channel's mean and standard deviation over the
    training set; labels and test images stay. Values may leave [0, 1]."""

    name: Literal["gaussian-pixels"]
    fraction: Fraction = 1.0


class ShuffledPixels(Pixels):
    """The pixels of every training image change places, channels together; labels stay (Zhang et al. 2017).

    per `dataset`: one permutation for all, test images too; `image`: one for each training image, test images stay.
    """

    name: Literal["shuffled-pixels"]
    per: Literal["dataset", "image"] = "dataset"
    fraction: ClassVar[float] = 1.0


CORRUPTIONS = with_plugins(
    "corruptions",
    {
        "none": Entry(NoCorruption, "trainables.corruptions.labels:keep", "original labels"),
        "permuted-labels": Entry(
            PermutedLabels, "trainables.corruptions.labels:permute", "labels permuted among a fraction of the examples"
        ),
        "uniform-labels": Entry(
            UniformLabels, "trainables.corruptions.labels:redraw", "labels redrawn uniformly for a fraction"
        ),
        "gaussian-pixels": Entry(
            GaussianPixels, "trainables.corruptions.pixels:replace_images", "a fraction of the images become noise"
        ),
        "shuffled-pixels": Entry(
            ShuffledPixels, "trainables.corruptions.pixels:shuffle", "pixels of all images change places"
        ),
    },
)
