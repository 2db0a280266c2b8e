"""lenet: LeNet-5 (LeCun et al. 1998) with ReLU and max pooling; layers conv1, conv2, fc1, fc2, fc3."""

from collections import OrderedDict

from torch import nn

from trainables.models.choices import LeNet


def build(choice: LeNet, shape: tuple[int, ...], outputs: int) -> nn.Module:
    """5x5x6 convolution (padding 2), pool, 5x5x16 convolution, pool, then 120, 84 and `outputs` units."""
    del choice
    channels, height, width = shape
    side = [(extent // 2 - 4) // 2 for extent in (height, width)]
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(channels, 6, 5, padding=2),
            relu1=nn.ReLU(),
            pool1=nn.MaxPool2d(2),
            conv2=nn.Conv2d(6, 16, 5),
            relu2=nn.ReLU(),
            pool2=nn.MaxPool2d(2),
            flatten=nn.Flatten(),
            fc1=nn.Linear(16 * side[0] * side[1], 120),
            relu3=nn.ReLU(),
            fc2=nn.Linear(120, 84),
            relu4=nn.ReLU(),
            fc3=nn.Linear(84, outputs),
        )
    )
