"""vgg13: configuration B of Simonyan and Zisserman (2015), for small images; layers conv1 to conv10, fc1 to fc3."""

from collections import OrderedDict

from torch import nn

from trainables.models import Vgg13


def build(choice: Vgg13, shape: tuple[int, ...], outputs: int) -> nn.Module:
    """Five stages of two 3x3 convolutions with w, 2w, 4w, 8w, 8w channels, then 8w, 8w and `outputs` units; ReLU.

    Max pooling after each stage but the last, which is averaged over its positions, whatever their number.
    """
    channels, w = shape[0], choice.width
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for stage, wide in enumerate((w, 2 * w, 4 * w, 8 * w, 8 * w), start=1):
        for number in (2 * stage - 1, 2 * stage):
            layers[f"conv{number}"] = nn.Conv2d(channels, wide, 3, padding=1)
            layers[f"relu{number}"] = nn.ReLU()
            channels = wide
        layers[f"pool{stage}"] = nn.MaxPool2d(2) if stage < 5 else nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    for number in (1, 2):
        layers[f"fc{number}"] = nn.Linear(8 * w, 8 * w)
        layers[f"relu{number + 10}"] = nn.ReLU()
    layers["fc3"] = nn.Linear(8 * w, outputs)
    return nn.Sequential(layers)
