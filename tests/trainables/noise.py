"""Networks with and without their noise, and how far two outputs are apart."""

import torch
from torch import nn
from torchvision.ops import StochasticDepth


def quiet(model: nn.Module) -> nn.Module:
    """The model without its noise: dropout and stochastic depth as in evaluation mode."""
    for module in model.modules():
        if isinstance(module, nn.Dropout | StochasticDepth):
            module.eval()
    return model


def is_noisy(model: nn.Module) -> bool:
    """Whether a pass draws random numbers."""
    return any(isinstance(module, nn.Dropout | StochasticDepth) and module.p > 0 for module in model.modules())


def far(one: torch.Tensor, other: torch.Tensor) -> float:
    """Largest difference relative to the largest output."""
    return float(((one - other).abs().max() / one.abs().max()).detach())
