"""Models by name: parameters and code; torch is imported only when one is built."""

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from trainables.registry import Choice, Entry, Integer, Surroundings, with_plugins

Count = Annotated[Integer, Field(ge=1)]


def _needs_images(choice: Choice, around: Surroundings, least: int) -> None:
    """Refuse anything but images [channels, height, width] of at least `least` x `least`."""
    shape = around.shape
    if len(shape) != 3 or min(shape[1:]) < least:
        size = " x ".join(str(n) for n in shape)
        raise ValueError(
            f"{choice.name} needs images of at least {least} x {least}; {around.dataset!r} has {size}. Use mlp."
        )


class Mlp(Choice):
    """Fully connected ReLU network on the flattened input; `widths: []` is a linear model."""

    name: Literal["mlp"]
    widths: tuple[Count, ...] = (128, 128)
    bias: bool = True


class LeNet(Choice):
    """LeNet-5 with ReLU and max pooling: 5x5x6 and 5x5x16 convolutions, then 120-84-classes."""

    name: Literal["lenet"]

    def check(self, around: Surroundings) -> None:
        """Needs images of at least 12 x 12, so that something is left after two poolings."""
        _needs_images(self, around, 12)


class Cnn16(Choice):
    """Three 3x3 convolutions of stride 2 with 16, 32 and 64 channels, then 128 units; ReLU."""

    name: Literal["cnn16"]

    def check(self, around: Surroundings) -> None:
        """Needs images of at least 8 x 8."""
        _needs_images(self, around, 8)


class AlexNet(Choice):
    """AlexNet for small images: five convolutions with w, 3w, 6w, 4w, 4w channels, two layers of 16w units."""

    name: Literal["alexnet"]
    width: Count = 64

    def check(self, around: Surroundings) -> None:
        """Needs images of at least 8 x 8, so that something is left after three poolings."""
        _needs_images(self, around, 8)


class Vgg13(Choice):
    """VGG-13 without normalisation, for small images: ten convolutions with w to 8w channels, mean over positions."""

    name: Literal["vgg13"]
    width: Count = 64

    def check(self, around: Surroundings) -> None:
        """Needs images of at least 16 x 16, so that something is left after four poolings."""
        _needs_images(self, around, 16)


class ResNet18(Choice):
    """ResNet-18 with group normalisation: w to 8w channels.

    stem `cifar`: 3x3 convolution; `imagenet`: 7x7 convolution of stride 2 and max pooling.
    """

    name: Literal["resnet18"]
    width: Annotated[Integer, Field(ge=4, multiple_of=4)] = 64
    stem: Literal["cifar", "imagenet"] = "cifar"
    norm: Literal["group"] = "group"

    @field_validator("norm", mode="before")
    @classmethod
    def _no_batch(cls, given: object) -> object:
        if given == "batch":
            raise ValueError(
                "batch normalisation mixes the examples of a batch, which then have no gradient of their own;"
                " it is not measured yet. Use 'group'."
            )
        return given

    def check(self, around: Surroundings) -> None:
        """Needs images of at least 8 x 8, with the `imagenet` stem 32 x 32."""
        _needs_images(self, around, 8 if self.stem == "cifar" else 32)


class Vit(Choice):
    """Vision transformer for small images: patch x patch pixels a token, `dim` numbers a token, mean pooling."""

    name: Literal["vit"]
    patch: Count = 4
    dim: Count = 64
    depth: Count = 4
    heads: Count = 4

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.dim % self.heads:
            raise ValueError(f"dim {self.dim} is not a multiple of heads {self.heads}.")
        return self

    def check(self, around: Surroundings) -> None:
        """Needs images that patches tile, with at least two patches a side."""
        _needs_images(self, around, 2 * self.patch)
        if around.shape[1] % self.patch or around.shape[2] % self.patch:
            size = " x ".join(str(n) for n in around.shape)
            raise ValueError(
                f"vit needs height and width in multiples of patch {self.patch}; {around.dataset!r} has {size}."
            )


MODELS: dict[str, Entry] = with_plugins(
    "models",
    {
        "mlp": Entry(Mlp, "trainables.models.mlp:build", "fully connected ReLU network"),
        "lenet": Entry(LeNet, "trainables.models.lenet:build", "LeNet-5 with ReLU and max pooling"),
        "cnn16": Entry(Cnn16, "trainables.models.cnn16:build", "three strided convolutions, 128 units"),
        "alexnet": Entry(AlexNet, "trainables.models.alexnet:build", "AlexNet for small images"),
        "vgg13": Entry(Vgg13, "trainables.models.vgg13:build", "VGG-13 without normalisation, for small images"),
        "resnet18": Entry(ResNet18, "trainables.models.resnet18:build", "ResNet-18 with group normalisation"),
        "vit": Entry(Vit, "trainables.models.vit:build", "vision transformer for small images"),
    },
)
