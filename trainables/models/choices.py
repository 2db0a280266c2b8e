"""Parameters of each model, the smallest image it takes, and whether it lets examples see each other. Torch-free."""

from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from trainables.registry import Choice, Integer, Real, Surroundings

Count = Annotated[Integer, Field(ge=1)]
Probability = Annotated[Real, Field(ge=0.0, lt=1.0)]


class Network(Choice):
    """Parameters of a model, and two facts that are known without building it."""

    @property
    def least(self) -> int:
        """Smallest height and width of an image [channels, height, width]; 0: any input will do."""
        return 0

    @property
    def mixes_examples(self) -> bool:
        """Whether the outputs of one example depend on the others of its batch in training mode (batch norm)."""
        return False

    def check(self, around: Surroundings) -> None:
        """Refuse too small images, anything but images where they are needed, and batch norm of a single example."""
        shape = around.shape
        if self.least and (len(shape) != 3 or min(shape[1:]) < self.least):
            size = " x ".join(str(n) for n in shape)
            instead = "mlp" if len(shape) != 3 or min(shape[1:]) < 8 else "resnet18 or mlp"
            raise ValueError(
                f"{self.name} needs images of at least {self.least} x {self.least}; {around.dataset!r} has {size}."
                f" Use {instead}."
            )
        if self.mixes_examples and around.batch_size < 2:
            raise ValueError(
                f"{self.name} has batch normalisation, which needs two examples in a batch; batch_size is"
                f" {around.batch_size}. Use at least 2."
            )


class Mlp(Network):
    """Fully connected ReLU network on the flattened input; `widths: []` is a linear model."""

    name: Literal["mlp"]
    widths: tuple[Count, ...] = (128, 128)
    bias: bool = True


class LeNet(Network):
    """LeNet-5 with ReLU and max pooling: 5x5x6 and 5x5x16 convolutions, then 120-84-classes."""

    name: Literal["lenet"]

    @property
    def least(self) -> int:
        """Something is left after two poolings."""
        return 12


class Cnn16(Network):
    """Three 3x3 convolutions of stride 2 with 16, 32 and 64 channels, then 128 units; ReLU.

    norm: after each convolution; `group` (of 8 channels): examples stay independent; `batch`: measured by estimator
    grouped or eval-mode.
    """

    name: Literal["cnn16"]
    norm: Literal["none", "group", "batch"] = "none"

    @property
    def least(self) -> int:
        """One position is left after three strides."""
        return 8

    @property
    def mixes_examples(self) -> bool:
        """With batch normalisation."""
        return self.norm == "batch"


class AlexNet(Network):
    """AlexNet: five convolutions with w, 3w, 6w, 4w, 4w channels, and two hidden layers.

    stem `cifar`: for small images, stride 1 and three 2x2 poolings, hidden layers of 16w units; `imagenet`: the
    single-column network for 224 x 224, an 11x11 convolution of stride 4, 3x3 poolings, hidden layers of 64w units.
    dropout: before each hidden layer; left out, 0.5 with the stem `imagenet` and none with `cifar`.
    """

    name: Literal["alexnet"]
    width: Count = 64
    stem: Literal["cifar", "imagenet"] = "cifar"
    dropout: Probability | None = None

    @property
    def least(self) -> int:
        """Something is left after three poolings."""
        return 8 if self.stem == "cifar" else 63


class Vgg13(Network):
    """VGG-13 without normalisation, for small images: ten convolutions with w to 8w channels, mean over positions."""

    name: Literal["vgg13"]
    width: Count = 64

    @property
    def least(self) -> int:
        """Something is left after four poolings."""
        return 16


class Vgg13Bn(Network):
    """VGG-13 with batch normalisation after each convolution, else as `vgg13`."""

    name: Literal["vgg13-bn"]
    width: Count = 64

    @property
    def least(self) -> int:
        """Something is left after four poolings."""
        return 16

    @property
    def mixes_examples(self) -> bool:
        """Always."""
        return True


class ResNet(Network):
    """What residual networks share: w to 8w channels.

    stem `cifar`: 3x3 convolution; `imagenet`: 7x7 convolution of stride 2 and max pooling.
    norm `group`: examples stay independent; `batch`: as published, measured by estimator grouped or eval-mode.
    """

    width: Annotated[Integer, Field(ge=4, multiple_of=4)] = 64
    stem: Literal["cifar", "imagenet"] = "cifar"
    norm: Literal["group", "batch"] = "group"

    @property
    def least(self) -> int:
        """One position is left after all strides with the stem `imagenet`."""
        return 8 if self.stem == "cifar" else 32

    @property
    def mixes_examples(self) -> bool:
        """With batch normalisation."""
        return self.norm == "batch"


class ResNet18(ResNet):
    """ResNet-18: blocks of two 3x3 convolutions; w to 8w channels.

    stem `cifar`: 3x3 convolution; `imagenet`: 7x7 convolution of stride 2 and max pooling.
    norm `group`: examples stay independent; `batch`: as published, measured by estimator grouped or eval-mode.
    """

    name: Literal["resnet18"]


class ResNet50(ResNet):
    """ResNet-50: bottleneck blocks, which put out 4w to 32w channels; parameters as of `resnet18`."""

    name: Literal["resnet50"]


class InceptionV3(Network):
    """Inception-V3 of torchvision without auxiliary outputs: batch normalisation, dropout before the last layer."""

    name: Literal["inception-v3"]
    dropout: Probability = 0.5

    @property
    def least(self) -> int:
        """One position is left after all strides."""
        return 75

    @property
    def mixes_examples(self) -> bool:
        """Always."""
        return True


class EfficientNetB0(Network):
    """EfficientNet-B0 of torchvision: batch normalisation.

    dropout: before the last layer. stochastic_depth: probability to skip the last residual block; of earlier ones
    in proportion to their place.
    """

    name: Literal["efficientnet-b0"]
    dropout: Probability = 0.2
    stochastic_depth: Probability = 0.2

    @property
    def least(self) -> int:
        """One position is left after five strides."""
        return 32

    @property
    def mixes_examples(self) -> bool:
        """Always."""
        return True


Independent = Literal[
    "alexnet", "convnext_base", "convnext_small", "convnext_tiny", "squeezenet1_0", "squeezenet1_1", "vgg11", "vgg13",
    "vgg16", "vgg19",
]  # fmt: skip
BatchNorm = Literal[
    "densenet121", "densenet161", "densenet169", "densenet201", "efficientnet_b0", "efficientnet_b1",
    "efficientnet_b2", "efficientnet_b3", "efficientnet_b4", "efficientnet_v2_s", "mnasnet0_5", "mnasnet1_0",
    "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small", "resnet18", "resnet34", "resnet50", "resnet101",
    "resnet152", "resnext50_32x4d", "shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "shufflenet_v2_x1_5",
    "shufflenet_v2_x2_0", "vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn", "wide_resnet50_2",
]  # fmt: skip
"""Networks of torchvision without and with batch normalisation."""


class Torchvision(Network):
    """A network of torchvision as it is, with its own initial weights and dropout, for colour images."""

    name: Literal["torchvision"]
    model: Literal[Independent, BatchNorm]

    @property
    def least(self) -> int:
        """One position is left after all strides and poolings."""
        return 63 if self.model == "alexnet" else 32

    @property
    def mixes_examples(self) -> bool:
        """With batch normalisation."""
        return self.model in get_args(BatchNorm)

    def check(self, around: Surroundings) -> None:
        """Needs three channels, which is what the networks' first convolution takes."""
        super().check(around)
        if around.shape[0] != 3:
            raise ValueError(
                f"torchvision's {self.model} needs images of 3 channels; {around.dataset!r} has {around.shape[0]}."
                " Use a model of this package, such as resnet18."
            )


class Timm(Network):
    """A network of timm (PyTorch Image Models) by its name there, with its own initial weights and dropout; install
    timm. Vision transformers and other networks of a fixed size are made for the size of the images.

    norm: `batch` where the network has batch normalisation, `independent` where it has none.
    """

    name: Literal["timm"]
    model: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]{0,99}$")]
    norm: Literal["independent", "batch"] = "independent"

    @property
    def least(self) -> int:
        """Most networks of timm leave something of 32 x 32."""
        return 32

    @property
    def mixes_examples(self) -> bool:
        """With batch normalisation."""
        return self.norm == "batch"


class Vit(Network):
    """Vision transformer for small images: patch x patch pixels a token, `dim` numbers a token, mean pooling."""

    name: Literal["vit"]
    patch: Count = 4
    dim: Count = 64
    depth: Annotated[Integer, Field(ge=1, le=1000)] = 4
    heads: Count = 4

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.dim % self.heads:
            raise ValueError(f"dim {self.dim} is not a multiple of heads {self.heads}.")
        return self

    @property
    def least(self) -> int:
        """Two patches a side."""
        return 2 * self.patch

    def check(self, around: Surroundings) -> None:
        """Needs images that patches tile, with at least two patches a side."""
        super().check(around)
        if around.shape[1] % self.patch or around.shape[2] % self.patch:
            size = " x ".join(str(n) for n in around.shape)
            raise ValueError(
                f"vit needs height and width in multiples of patch {self.patch}; {around.dataset!r} has {size}."
            )
