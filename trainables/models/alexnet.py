"""alexnet: AlexNet (Krizhevsky et al. 2012, single column 2014); layers conv1 to conv5, fc1, fc2, fc3.

The stem `imagenet` is the single-column network that torchvision has too; `cifar` scales it to small images.
"""

from collections import OrderedDict

from torch import nn

from trainables.models.choices import AlexNet

POOLED = (1, 2, 5)
"""Convolutions followed by max pooling."""


def build(choice: AlexNet, shape: tuple[int, ...], outputs: int) -> nn.Module:
    """Five convolutions with w, 3w, 6w, 4w, 4w channels, then two hidden layers and `outputs` units; ReLU."""
    channels, height, width = shape
    w, large = choice.width, choice.stem == "imagenet"
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for number, wide in enumerate((w, 3 * w, 6 * w, 4 * w, 4 * w), start=1):
        layers[f"conv{number}"] = _convolution(number, channels, wide, large)
        layers[f"relu{number}"] = nn.ReLU()
        if number in POOLED:
            layers[f"pool{number}"] = nn.MaxPool2d(3, stride=2) if large else nn.MaxPool2d(2)
        channels = wide
    if large:
        layers["mean"] = nn.AdaptiveAvgPool2d(6)
    layers["flatten"] = nn.Flatten()
    size, hidden = channels * (36 if large else (height // 8) * (width // 8)), w * (64 if large else 16)
    dropout = choice.dropout if choice.dropout is not None else 0.5 if large else 0.0
    for number in (1, 2):
        if dropout:
            layers[f"dropout{number}"] = nn.Dropout(dropout)
        layers[f"fc{number}"] = nn.Linear(size, hidden)
        layers[f"relu{number + 5}"] = nn.ReLU()
        size = hidden
    layers["fc3"] = nn.Linear(size, outputs)
    return nn.Sequential(layers)


def _convolution(number: int, channels: int, wide: int, large: bool) -> nn.Conv2d:
    """The first is 5x5 on small images, 11x11 of stride 4 on large ones, where the second is 5x5; all others 3x3."""
    if number == 1 and large:
        return nn.Conv2d(channels, wide, 11, stride=4, padding=2)
    kernel = 5 if number == (2 if large else 1) else 3
    return nn.Conv2d(channels, wide, kernel, padding=kernel // 2)
