"""efficientnet-b0: torchvision's EfficientNet-B0 (Tan and Le 2019); its own layer names."""

from torch import nn
from torchvision.models import efficientnet_b0

from trainables.models.choices import EfficientNetB0


def build(choice: EfficientNetB0, shape: tuple[int, ...], outputs: int) -> nn.Module:
    """torchvision's network and initial weights: convolutions normal of variance 2 / (outputs x kernel size).

    Other numbers of channels than three get a first convolution of their own, drawn from the same distribution.
    """
    model = efficientnet_b0(
        weights=None, num_classes=outputs, dropout=choice.dropout, stochastic_depth_prob=choice.stochastic_depth
    )
    if shape[0] != 3:
        first = nn.Conv2d(shape[0], 32, 3, stride=2, padding=1, bias=False)
        nn.init.kaiming_normal_(first.weight, mode="fan_out")
        model.features[0][0] = first
    return model
