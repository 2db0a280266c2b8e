"""alexnet: AlexNet (Krizhevsky et al. 2012) scaled to small images; layers conv1 to conv5, fc1, fc2, fc3."""

from collections import OrderedDict

from torch import nn

from trainables.models import AlexNet

POOLED = (1, 2, 5)
"""Convolutions followed by 2x2 max pooling."""


def build(choice: AlexNet, shape: tuple[int, ...], outputs: int) -> nn.Module:
    """A 5x5 and four 3x3 convolutions with w, 3w, 6w, 4w, 4w channels, then 16w, 16w and `outputs` units; ReLU."""
    channels, height, width = shape
    w = choice.width
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for number, wide in enumerate((w, 3 * w, 6 * w, 4 * w, 4 * w), start=1):
        kernel = 5 if number == 1 else 3
        layers[f"conv{number}"] = nn.Conv2d(channels, wide, kernel, padding=kernel // 2)
        layers[f"relu{number}"] = nn.ReLU()
        if number in POOLED:
            layers[f"pool{number}"] = nn.MaxPool2d(2)
        channels = wide
    layers["flatten"] = nn.Flatten()
    size = channels * (height // 8) * (width // 8)
    for number in (1, 2):
        layers[f"fc{number}"] = nn.Linear(size, 16 * w)
        layers[f"relu{number + 5}"] = nn.ReLU()
        size = 16 * w
    layers["fc3"] = nn.Linear(size, outputs)
    return nn.Sequential(layers)
