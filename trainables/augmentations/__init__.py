"""Augmentations of training images by name: of the training pass only; probe and evaluations see fixed inputs."""

from typing import Annotated, Literal

from pydantic import Field, Strict

from trainables.registry import Choice, Entry, Integer, Surroundings, with_plugins


class NoAugmentation(Choice):
    """Every epoch sees the same inputs."""

    name: Literal["none"]


class CropFlip(Choice):
    """Each image is moved by up to `padding` pixels either way (zeros come in), and mirrored with probability 1/2."""

    name: Literal["crop-flip"]
    padding: Annotated[Integer, Field(ge=0)] = 4
    flip: Annotated[bool, Strict()] = True

    def check(self, around: Surroundings) -> None:
        """Needs images, channels x height x width, that stay in sight."""
        if len(around.shape) != 3:
            size = " x ".join(str(n) for n in around.shape)
            raise ValueError(f"crop-flip needs images; an example of {around.dataset!r} is {size}. Use none.")
        if self.padding >= (side := min(around.shape[1:])):
            raise ValueError(
                f"crop-flip: padding {self.padding} moves images of {side} pixels out of sight; use at most {side - 1}."
            )


AUGMENTATIONS = with_plugins(
    "augmentations",
    {
        "none": Entry(NoAugmentation, "trainables.augmentations.images:keep", "the same inputs every epoch"),
        "crop-flip": Entry(CropFlip, "trainables.augmentations.images:crop_flip", "random moves and mirror images"),
    },
)
