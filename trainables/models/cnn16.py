"""cnn16: three strided convolutions and one hidden layer; layers conv1 (norm1), ... conv3 (norm3), fc1, fc2."""

from collections import OrderedDict

from torch import nn

from trainables.models.choices import Cnn16


def build(choice: Cnn16, shape: tuple[int, ...], outputs: int) -> nn.Module:
    """3x3 convolutions of stride 2 and padding 1 with 16, 32 and 64 channels, then 128 and `outputs` units; ReLU."""
    channels, height, width = shape
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for number, wide in enumerate((16, 32, 64), start=1):
        layers[f"conv{number}"] = nn.Conv2d(channels, wide, 3, stride=2, padding=1)
        if choice.norm != "none":
            layers[f"norm{number}"] = nn.GroupNorm(wide // 8, wide) if choice.norm == "group" else nn.BatchNorm2d(wide)
        layers[f"relu{number}"] = nn.ReLU()
        channels = wide
    layers["flatten"] = nn.Flatten()
    layers["fc1"] = nn.Linear(channels * -(-height // 8) * -(-width // 8), 128)
    layers["relu4"] = nn.ReLU()
    layers["fc2"] = nn.Linear(128, outputs)
    return nn.Sequential(layers)
