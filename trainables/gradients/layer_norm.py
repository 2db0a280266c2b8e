"""Per-example gradients of `torch.nn.LayerNorm` and `torch.nn.RMSNorm`: sums over positions of d h and of d.

Input and d [N, ..., *shape], `shape` the layer's normalised shape and that of its parameters. h is the input
over `shape`, LayerNorm: minus its mean, over its standard deviation; RMSNorm: over its root mean square.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainables.gradients import compiled
from trainables.gradients.affine import AffineRule


class LayerNormRule(AffineRule):
    """Parameters [*shape]; positions are the axes between the examples and the normalised ones."""

    def normalised(self, module: nn.Module, x: Tensor) -> Tensor:
        """h, in the shape of x."""
        if isinstance(module, nn.RMSNorm):
            return functional.rms_norm(x, list(module.normalized_shape), None, module.eps)
        assert isinstance(module, nn.LayerNorm)
        return functional.layer_norm(x, list(module.normalized_shape), None, None, module.eps)

    def both(self, module: nn.Module, x: Tensor, d: Tensor) -> dict[str, Tensor]:
        """As in `AffineRule`; on the host by a compiled kernel, without a normalised copy."""
        assert isinstance(module, nn.LayerNorm | nn.RMSNorm)
        if not compiled.takes(x) or 0 in x.shape:
            return super().both(module, x, d)
        shape = tuple(module.normalized_shape)
        eps = torch.finfo(x.dtype).eps if module.eps is None else module.eps
        x, d = x.reshape(len(x), -1, math.prod(shape)), d.reshape(len(d), -1, math.prod(shape))
        run = compiled.kernel("affine_rows", "positions")
        constants = (eps, isinstance(module, nn.LayerNorm))
        weight, bias = compiled.each(run, x, d, constants, math.prod(shape))
        return {"weight": weight.unflatten(1, shape), "bias": bias.unflatten(1, shape)}

    def over_positions(self, module: nn.Module, values: Tensor) -> Tensor:
        """[N, ..., *shape] -> [N, *shape]."""
        assert isinstance(module, nn.LayerNorm | nn.RMSNorm)
        between = values.dim() - len(module.normalized_shape)
        return values if between == 1 else values.flatten(1, between - 1).sum(dim=1)


RULE = LayerNormRule()
