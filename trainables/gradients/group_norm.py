"""Per-example gradients of `torch.nn.GroupNorm`: sums over positions of d h and of d, per channel.

Input and d [N, C, ...]; h is the input normalised within each group of channels of each example.
"""

import torch
from torch import Tensor, nn

from trainables.gradients import compiled
from trainables.gradients.affine import AffineRule


class GroupNormRule(AffineRule):
    """Parameters [C]; positions are all axes after the second."""

    def normalised(self, module: nn.Module, x: Tensor) -> Tensor:
        """h, [N, C, ...]."""
        assert isinstance(module, nn.GroupNorm)
        return torch.group_norm(x, module.num_groups, None, None, module.eps)

    def both(self, module: nn.Module, x: Tensor, d: Tensor) -> dict[str, Tensor]:
        """As in `AffineRule`; on the host by a compiled kernel, without a normalised copy."""
        assert isinstance(module, nn.GroupNorm)
        if not compiled.takes(x) or 0 in x.shape:
            return super().both(module, x, d)
        x, d = x.reshape(*x.shape[:2], -1), d.reshape(*d.shape[:2], -1)
        run = compiled.kernel("affine_rows", "channels")
        weight, bias = compiled.each(run, x, d, (module.num_groups, module.eps), module.num_channels)
        return {"weight": weight, "bias": bias}

    def over_positions(self, module: nn.Module, values: Tensor) -> Tensor:
        """[N, C, ...] -> [N, C]."""
        del module
        return values if values.dim() == 2 else values.flatten(2).sum(dim=2)


RULE = GroupNormRule()
