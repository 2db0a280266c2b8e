"""Per-example gradients of `torch.nn.Conv2d` with zero padding and one group.

The weight gradient of example i is d_i P_i^T: d_i [O, T] its output gradient over the T positions,
P_i [C k k, T] the input patches under the kernel. Patches are taken in chunks of examples that stay
in cache.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainables.gradients.linear import row_norms
from trainables.gradients.types import DenseRows, Rows

PATCH_BYTES = 2 * 2**20
"""Patches of one chunk of examples: about the second-level cache of a core."""


def refusal(module: nn.Conv2d) -> str | None:
    """Why a layer has no per-example rule here, or None."""
    if module.groups != 1:
        return f"groups={module.groups}; expected 1"
    if module.padding_mode != "zeros" or isinstance(module.padding, str):
        return f"padding={module.padding!r} in mode {module.padding_mode!r}; expected a number and 'zeros'"
    return None


def input_refusal(x: Tensor) -> str | None:
    """Only batched input [N, C, H, W] is supported."""
    return None if x.dim() == 4 else f"input of shape {tuple(x.shape)}; expected [examples, channels, height, width]"


def _patches(module: nn.Conv2d, x: Tensor, out: tuple[int, int]) -> Tensor:
    """Input patches [N, C k k, T] of a chunk, by one strided copy whose innermost runs are image rows."""
    assert not isinstance(module.padding, str)
    pad_h, pad_w = module.padding
    padded = functional.pad(x, (pad_w, pad_w, pad_h, pad_h)) if pad_h or pad_w else x
    n, channels = x.shape[:2]
    (k_h, k_w), (s_h, s_w), (e_h, e_w) = module.kernel_size, module.stride, module.dilation
    b, c, h, w = padded.stride()
    windows = padded.as_strided(
        (n, channels, k_h, k_w, *out), (b, c, h * e_h, w * e_w, h * s_h, w * s_w), padded.storage_offset()
    )
    return windows.reshape(n, channels * k_h * k_w, out[0] * out[1])


def _chunks(module: nn.Conv2d, x: Tensor, d: Tensor) -> list[slice]:
    taps = x.shape[1] * module.kernel_size[0] * module.kernel_size[1]
    each = taps * d.shape[2] * d.shape[3] * x.element_size()
    size = max(1, PATCH_BYTES // each)
    return [slice(start, start + size) for start in range(0, x.shape[0], size)]


def _weight_rows(module: nn.Conv2d, x: Tensor, d: Tensor) -> Tensor:
    """Weight gradients [N, O, C k k] of a chunk."""
    patches = _patches(module, x, (d.shape[2], d.shape[3]))
    return torch.bmm(d.flatten(2), patches.transpose(1, 2))


def square_norms(module: nn.Conv2d, x: Tensor, d: Tensor) -> dict[str, Tensor]:
    """Squared norm of each example's gradient, per tensor: [N], float64."""
    weight = torch.cat([row_norms(_weight_rows(module, x[part], d[part])) for part in _chunks(module, x, d)])
    norms = {"weight": weight}
    if module.bias is not None:
        norms["bias"] = row_norms(d.flatten(2).sum(dim=2))
    return norms


def sums(module: nn.Conv2d, x: Tensor, d: Tensor) -> dict[str, Tensor]:
    """Sum of the examples' gradients, per tensor, in the parameter's shape."""
    _, weight, bias = torch.ops.aten.convolution_backward(
        d,
        x,
        module.weight.detach(),
        None if module.bias is None else [module.out_channels],
        module.stride,
        module.padding,
        module.dilation,
        False,
        [0, 0],
        1,
        [False, True, module.bias is not None],
    )
    return {"weight": weight} if module.bias is None else {"weight": weight, "bias": bias}


def rows(module: nn.Conv2d, name: str, x: Tensor, d: Tensor) -> Rows:
    """Rows of one tensor, [N, O, C, k, k] or [N, O]."""
    if name == "bias":
        return DenseRows(d.flatten(2).sum(dim=2))
    whole = torch.cat([_weight_rows(module, x[part], d[part]) for part in _chunks(module, x, d)])
    return DenseRows(whole.view(-1, *module.weight.shape))
