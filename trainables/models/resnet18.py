"""resnet18: the 18-layer residual network (He et al. 2016) with group normalisation.

Layers: stem, norm, stage1.0.conv1, ..., fc. Each block is conv, norm, ReLU, conv, norm, added to its shortcut,
which is a 1x1 convolution and a normalisation where shape changes.
"""

import math
from collections import OrderedDict

from torch import Tensor, nn
from torch.nn import functional

from trainables.models import ResNet18


def _norm(channels: int) -> nn.GroupNorm:
    """Groups: the largest power of two up to 32 that leaves at least four channels each."""
    return nn.GroupNorm(math.gcd(32, channels // 4), channels)


class Block(nn.Module):
    """Two 3x3 convolutions and their shortcut: [N, C, H, W] -> [N, O, H / stride, W / stride]."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.norm1 = _norm(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = _norm(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            projection = nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)
            self.shortcut = nn.Sequential(OrderedDict(conv=projection, norm=_norm(outputs)))

    def forward(self, x: Tensor) -> Tensor:
        """The block's output."""
        inner = self.norm2(self.conv2(functional.relu(self.norm1(self.conv1(x)))))
        return functional.relu(inner + self.shortcut(x))


def build(choice: ResNet18, shape: tuple[int, ...], outputs: int) -> nn.Module:
    """Stem, four stages of two blocks with w, 2w, 4w, 8w channels, mean over positions, `outputs` units."""
    w = choice.width
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    if choice.stem == "cifar":
        layers["stem"] = nn.Conv2d(shape[0], w, 3, padding=1, bias=False)
    else:
        layers["stem"] = nn.Conv2d(shape[0], w, 7, stride=2, padding=3, bias=False)
    layers["norm"], layers["relu"] = _norm(w), nn.ReLU()
    if choice.stem == "imagenet":
        layers["pool"] = nn.MaxPool2d(3, stride=2, padding=1)
    inputs = w
    for stage, wide in enumerate((w, 2 * w, 4 * w, 8 * w), start=1):
        first = Block(inputs, wide, 1 if stage == 1 else 2)
        layers[f"stage{stage}"] = nn.Sequential(first, Block(wide, wide, 1))
        inputs = wide
    layers["mean"], layers["flatten"] = nn.AdaptiveAvgPool2d(1), nn.Flatten()
    layers["fc"] = nn.Linear(inputs, outputs)
    return nn.Sequential(layers)
