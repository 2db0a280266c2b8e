"""Per-example gradients of `torch.nn.Conv1d`: a convolution over (1, length).

With d [N, O, L'], the bias gradient of example i is sum_t d_i[:, t]; the weight gradient is that of
`convolution` with a kernel of height 1.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from trainables.gradients.convolution import Geometry, accumulated, chunks, weight_rows, weight_sum
from trainables.gradients.reductions import row_norms
from trainables.gradients.types import DenseRows, Gradient, Rows


def refusal(module: nn.Conv1d) -> str | None:
    """Every Conv1d is supported."""
    del module
    return None


def input_refusal(x: Tensor) -> str | None:
    """Only batched input [N, C, L] is supported."""
    return None if x.dim() == 3 else f"input of shape {tuple(x.shape)}; expected [examples, channels, length]"


def _geometry(module: nn.Conv1d) -> Geometry:
    left, right = module._reversed_padding_repeated_twice
    kernel, stride, dilation = (1, module.kernel_size[0]), (1, module.stride[0]), (1, module.dilation[0])
    return Geometry(kernel, stride, dilation, (left, right, 0, 0), module.padding_mode, module.groups)


def _weight_rows(module: nn.Conv1d, x: Tensor, d: Tensor) -> Iterator[Tensor]:
    """Weight gradients [n, O, (C/G) k], chunk by chunk."""
    geometry, x, d = _geometry(module), x.unsqueeze(2), d.unsqueeze(2)
    for part in chunks(geometry, x, d):
        yield weight_rows(geometry, x[part], d[part])


def square_norms(module: nn.Conv1d, x: Tensor, d: Tensor) -> dict[str, Tensor]:
    """Squared norm of each example's gradient, per tensor: [N], float64."""
    return gradient(module, x, d, norms=True).square_norms


def gradient(module: nn.Conv1d, x: Tensor, d: Tensor, *, norms: bool) -> Gradient:
    """Sum of the examples' gradients and their squared norms, per tensor; one costs as much as both."""
    del norms
    own, total = accumulated(_geometry(module), x.unsqueeze(2), d.unsqueeze(2))
    found = Gradient({"weight": total.squeeze(2)}, {"weight": own})
    if module.bias is not None:
        rows_of_bias = d.sum(dim=2)
        found.sums["bias"], found.square_norms["bias"] = rows_of_bias.sum(dim=0), row_norms(rows_of_bias)
    return found


def sums(module: nn.Conv1d, x: Tensor, d: Tensor) -> dict[str, Tensor]:
    """Sum of the examples' gradients, per tensor, in the parameter's shape."""
    weight = module.weight.detach().unsqueeze(2)
    total = {"weight": weight_sum(_geometry(module), weight, x.unsqueeze(2), d.unsqueeze(2)).squeeze(2)}
    if module.bias is not None:
        total["bias"] = d.sum(dim=(0, 2))
    return total


def rows(module: nn.Conv1d, name: str, x: Tensor, d: Tensor) -> Rows:
    """Rows of one tensor, [N, O, C/G, k] or [N, O]."""
    if name == "bias":
        return DenseRows(d.sum(dim=2))
    return DenseRows(torch.cat(list(_weight_rows(module, x, d))).view(-1, *module.weight.shape))
