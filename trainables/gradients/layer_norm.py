"""Per-example gradients of `torch.nn.LayerNorm` and `torch.nn.RMSNorm`: sums over positions of d h and of d.

Input and d [N, ..., *shape], `shape` the layer's normalised shape and that of its parameters. h is the input
over `shape`, LayerNorm: minus its mean, over its standard deviation; RMSNorm: over its root mean square.
"""

from torch import Tensor, nn
from torch.nn import functional

from trainables.gradients.affine import AffineRule


class LayerNormRule(AffineRule):
    """Parameters [*shape]; positions are the axes between the examples and the normalised ones."""

    def normalised(self, module: nn.Module, x: Tensor) -> Tensor:
        """h, in the shape of x."""
        if isinstance(module, nn.RMSNorm):
            return functional.rms_norm(x, list(module.normalized_shape), None, module.eps)
        assert isinstance(module, nn.LayerNorm)
        return functional.layer_norm(x, list(module.normalized_shape), None, None, module.eps)

    def over_positions(self, module: nn.Module, values: Tensor) -> Tensor:
        """[N, ..., *shape] -> [N, *shape]."""
        assert isinstance(module, nn.LayerNorm | nn.RMSNorm)
        between = values.dim() - len(module.normalized_shape)
        return values if between == 1 else values.flatten(1, between - 1).sum(dim=1)


RULE = LayerNormRule()
