"""vgg13 and vgg13-bn: configuration B of Simonyan and Zisserman (2015), for small images.

Layers conv1 to conv10 (with norm1 to norm10), fc1 to fc3. A convolution before a batch normalisation has no bias:
the normalisation would take it away.
"""

from collections import OrderedDict

from torch import nn

from trainables.models.choices import Vgg13, Vgg13Bn


def build(choice: Vgg13 | Vgg13Bn, shape: tuple[int, ...], outputs: int) -> nn.Module:
    """Five stages of two 3x3 convolutions with w, 2w, 4w, 8w, 8w channels, then 8w, 8w and `outputs` units; ReLU.

    Max pooling after each stage but the last, which is averaged over its positions, whatever their number.
    """
    channels, w, batch = shape[0], choice.width, choice.mixes_examples
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for stage, wide in enumerate((w, 2 * w, 4 * w, 8 * w, 8 * w), start=1):
        for number in (2 * stage - 1, 2 * stage):
            layers[f"conv{number}"] = nn.Conv2d(channels, wide, 3, padding=1, bias=not batch)
            if batch:
                layers[f"norm{number}"] = nn.BatchNorm2d(wide)
            layers[f"relu{number}"] = nn.ReLU()
            channels = wide
        layers[f"pool{stage}"] = nn.MaxPool2d(2) if stage < 5 else nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    for number in (1, 2):
        layers[f"fc{number}"] = nn.Linear(8 * w, 8 * w)
        layers[f"relu{number + 10}"] = nn.ReLU()
    layers["fc3"] = nn.Linear(8 * w, outputs)
    return nn.Sequential(layers)
