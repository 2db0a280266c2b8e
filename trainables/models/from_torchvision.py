"""torchvision: a network of torchvision by its name there; its own layer names."""

from torch import nn
from torchvision.models import get_model

from trainables.models.choices import Torchvision


def build(choice: Torchvision, shape: tuple[int, ...], outputs: int) -> nn.Module:
    """torchvision's network without pretrained weights, on images [3, H, W]."""
    del shape
    model: nn.Module = get_model(choice.model, weights=None, num_classes=outputs)
    return model
