"""mlp: fully connected ReLU network; layers fc1, fc2, ..."""

from collections import OrderedDict

from torch import nn

from trainables.models.choices import Mlp


def build(choice: Mlp, shape: tuple[int, ...], outputs: int) -> nn.Module:
    """Flatten, then Linear and ReLU for each width, then Linear to `outputs`."""
    size = 1
    for extent in shape:
        size *= extent
    layers: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
    for number, width in enumerate((*choice.widths, outputs), start=1):
        layers[f"fc{number}"] = nn.Linear(size, width, bias=choice.bias)
        if number <= len(choice.widths):
            layers[f"relu{number}"] = nn.ReLU()
        size = width
    return nn.Sequential(layers)
