"""Per-example gradients of `torch.nn.GroupNorm`: sums over positions of d h and of d, per channel.

Input and d [N, C, ...]; h is the input normalised within each group of channels of each example.
"""

import torch
from torch import Tensor, nn

from trainables.gradients.affine import AffineRule


class GroupNormRule(AffineRule):
    """Parameters [C]; positions are all axes after the second."""

    def normalised(self, module: nn.Module, x: Tensor) -> Tensor:
        """h, [N, C, ...]."""
        assert isinstance(module, nn.GroupNorm)
        return torch.group_norm(x, module.num_groups, None, None, module.eps)

    def over_positions(self, module: nn.Module, values: Tensor) -> Tensor:
        """[N, C, ...] -> [N, C]."""
        del module
        return values if values.dim() == 2 else values.flatten(2).sum(dim=2)


RULE = GroupNormRule()
