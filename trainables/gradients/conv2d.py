"""Per-example gradients of `torch.nn.Conv2d`: any stride, dilation, padding and groups.

With d [N, O, H', W'] and its positions flattened to T, the bias gradient of example i is sum_t d_i[:, t]; the
weight gradient is that of `convolution`.
"""

from torch import Tensor, nn

from trainables.gradients.convolution import Geometry, accumulated, weight_sum
from trainables.gradients.pieces import convolution_rows
from trainables.gradients.reductions import row_norms
from trainables.gradients.types import DenseRows, Gradient, Rows


def refusal(module: nn.Conv2d) -> str | None:
    """Every Conv2d is supported."""
    del module
    return None


def input_refusal(x: Tensor) -> str | None:
    """Only batched input [N, C, H, W] is supported."""
    return None if x.dim() == 4 else f"input of shape {tuple(x.shape)}; expected [examples, channels, height, width]"


def _geometry(module: nn.Conv2d) -> Geometry:
    left, right, top, bottom = module._reversed_padding_repeated_twice
    (k_h, k_w), (s_h, s_w), (e_h, e_w) = module.kernel_size, module.stride, module.dilation
    return Geometry((k_h, k_w), (s_h, s_w), (e_h, e_w), (left, right, top, bottom), module.padding_mode, module.groups)


def square_norms(module: nn.Conv2d, x: Tensor, d: Tensor) -> dict[str, Tensor]:
    """Squared norm of each example's gradient, per tensor: [N], float64."""
    return gradient(module, x, d, norms=True).square_norms


def gradient(module: nn.Conv2d, x: Tensor, d: Tensor, *, norms: bool) -> Gradient:
    """Sum of the examples' gradients and their squared norms, per tensor; one costs as much as both."""
    del norms
    own, total = accumulated(_geometry(module), x, d)
    found = Gradient({"weight": total}, {"weight": own})
    if module.bias is not None:
        rows_of_bias = d.flatten(2).sum(dim=2)
        found.sums["bias"], found.square_norms["bias"] = rows_of_bias.sum(dim=0), row_norms(rows_of_bias)
    return found


def sums(module: nn.Conv2d, x: Tensor, d: Tensor) -> dict[str, Tensor]:
    """Sum of the examples' gradients, per tensor, in the parameter's shape."""
    total = {"weight": weight_sum(_geometry(module), module.weight.detach(), x, d)}
    if module.bias is not None:
        total["bias"] = d.sum(dim=(0, 2, 3))
    return total


def rows(module: nn.Conv2d, name: str, x: Tensor, d: Tensor) -> Rows:
    """Rows of one tensor, [N, O, C/G, k, k] or [N, O]."""
    if name == "bias":
        return DenseRows(d.flatten(2).sum(dim=2))
    return convolution_rows(_geometry(module), x, d, module.weight.shape)
