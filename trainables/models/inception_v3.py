"""inception-v3: torchvision's Inception-V3 (Szegedy et al. 2016) without auxiliary outputs; its own layer names."""

from torch import nn
from torchvision.models import Inception3

from trainables.models.choices import InceptionV3


def build(choice: InceptionV3, shape: tuple[int, ...], outputs: int) -> nn.Module:
    """torchvision's network and initial weights: normal of standard deviation 0.1 (some layers 0.01), cut at +-2.

    Other numbers of channels than three get a first convolution of their own, drawn from the same distribution.
    """
    model = Inception3(
        num_classes=outputs, aux_logits=False, transform_input=False, init_weights=True, dropout=choice.dropout
    )
    if shape[0] != 3:
        first = nn.Conv2d(shape[0], 32, 3, stride=2, bias=False)
        nn.init.trunc_normal_(first.weight, std=0.1, a=-2, b=2)
        model.Conv2d_1a_3x3.conv = first
    return model
