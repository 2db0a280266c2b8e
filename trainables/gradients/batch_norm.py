"""Per-example gradients of batch normalisation in evaluation mode: sums over positions of d h and of d, per channel.

Input and d [N, C, ...]; h is the input minus the running mean, over the running standard deviation: constants, so
that the layer is affine and each example has a gradient of its own. In training mode it has none.
"""

from torch import Tensor, nn
from torch.nn import functional

from trainables.gradients.affine import AffineRule


class BatchNormRule(AffineRule):
    """Parameters [C]; positions are all axes after the second."""

    def normalised(self, module: nn.Module, x: Tensor) -> Tensor:
        """h, [N, C, ...]."""
        assert isinstance(module, nn.modules.batchnorm._BatchNorm)
        return functional.batch_norm(x, module.running_mean, module.running_var, eps=module.eps)

    def over_positions(self, module: nn.Module, values: Tensor) -> Tensor:
        """[N, C, ...] -> [N, C]."""
        del module
        return values if values.dim() == 2 else values.flatten(2).sum(dim=2)


RULE = BatchNormRule()
