"""resnet18 and resnet50: residual networks (He et al. 2016) with group or batch normalisation.

Layers: stem, norm, stage1.0.conv1, ..., fc. A shortcut is a 1x1 convolution and a normalisation where shape
changes. Parameters come in torchvision's order, so that its weights can be copied over one by one.
"""

import math
from collections import OrderedDict
from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional

from trainables.models.choices import ResNet, ResNet18, ResNet50

Norm = Callable[[int], nn.Module]
"""Channels -> normalisation of [N, C, H, W]."""


def group_norm(channels: int) -> nn.GroupNorm:
    """Groups: the largest power of two up to 32 that leaves at least four channels each."""
    return nn.GroupNorm(math.gcd(32, channels // 4), channels)


NORMS: dict[str, Norm] = {"group": group_norm, "batch": nn.BatchNorm2d}


class Block(nn.Module):
    """Convolutions conv1, norm1, ReLU, conv2, ... and their shortcut: [N, C, H, W] -> [N, O, H / stride, W / stride].

    kernels: of the convolutions; the first 3x3 one has the stride. channels: C, those between, O.
    """

    def __init__(self, kernels: tuple[int, ...], channels: tuple[int, ...], stride: int, norm: Norm) -> None:
        super().__init__()
        self.depth = len(kernels)
        strided = kernels.index(3)
        for place, kernel in enumerate(kernels):
            step = stride if place == strided else 1
            convolution = nn.Conv2d(
                channels[place], channels[place + 1], kernel, stride=step, padding=kernel // 2, bias=False
            )
            self.add_module(f"conv{place + 1}", convolution)
            self.add_module(f"norm{place + 1}", norm(channels[place + 1]))
        inputs, outputs = channels[0], channels[-1]
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            projection = nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)
            self.shortcut = nn.Sequential(OrderedDict(conv=projection, norm=norm(outputs)))

    def forward(self, x: Tensor) -> Tensor:
        """The block's output."""
        inner = x
        for number in range(1, self.depth + 1):
            inner = self.get_submodule(f"norm{number}")(self.get_submodule(f"conv{number}")(inner))
            if number < self.depth:
                inner = functional.relu(inner)
        return functional.relu(inner + self.shortcut(x))


def basic(inputs: int, wide: int, stride: int, norm: Norm) -> Block:
    """Two 3x3 convolutions; `wide` channels out."""
    return Block((3, 3), (inputs, wide, wide), stride, norm)


def bottleneck(inputs: int, wide: int, stride: int, norm: Norm) -> Block:
    """A 1x1, a 3x3 and a 1x1 convolution; 4 `wide` channels out."""
    return Block((1, 3, 1), (inputs, wide, wide, 4 * wide), stride, norm)


def build_18(choice: ResNet18, shape: tuple[int, ...], outputs: int) -> nn.Module:
    """Four stages of two basic blocks."""
    return _build(choice, shape, outputs, basic, (2, 2, 2, 2), 1)


def build_50(choice: ResNet50, shape: tuple[int, ...], outputs: int) -> nn.Module:
    """Four stages of 3, 4, 6 and 3 bottleneck blocks."""
    return _build(choice, shape, outputs, bottleneck, (3, 4, 6, 3), 4)


def _build(
    choice: ResNet,
    shape: tuple[int, ...],
    outputs: int,
    block: Callable[[int, int, int, Norm], Block],
    depths: tuple[int, ...],
    expansion: int,
) -> nn.Module:
    """Stem, stages of `depths` blocks with w, 2w, 4w, 8w channels, mean over positions, `outputs` units."""
    w, norm = choice.width, NORMS[choice.norm]
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    if choice.stem == "cifar":
        layers["stem"] = nn.Conv2d(shape[0], w, 3, padding=1, bias=False)
    else:
        layers["stem"] = nn.Conv2d(shape[0], w, 7, stride=2, padding=3, bias=False)
    layers["norm"], layers["relu"] = norm(w), nn.ReLU()
    if choice.stem == "imagenet":
        layers["pool"] = nn.MaxPool2d(3, stride=2, padding=1)
    inputs = w
    for stage, depth in enumerate(depths, start=1):
        wide = w * 2 ** (stage - 1)
        blocks = []
        for place in range(depth):
            blocks.append(block(inputs, wide, 2 if stage > 1 and place == 0 else 1, norm))
            inputs = expansion * wide
        layers[f"stage{stage}"] = nn.Sequential(*blocks)
    layers["mean"], layers["flatten"] = nn.AdaptiveAvgPool2d(1), nn.Flatten()
    layers["fc"] = nn.Linear(inputs, outputs)
    return nn.Sequential(layers)
