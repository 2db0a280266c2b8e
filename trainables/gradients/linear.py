"""Per-example gradients of `torch.nn.Linear`.

On 2-D input, with input x_i and output gradient d_i, the weight gradient of example i is the outer product
d_i x_i^T, so that its squared norm is ||d_i||^2 ||x_i||^2 and no row needs to be formed. With T positions an
example (input [N, ..., I]) it is the sum over positions D_i^T X_i, D_i [T, O] and X_i [T, I]; such rows are
formed a few examples at a time, or by a compiled kernel that adds them up as it goes (`tap_rows`).
"""

from collections.abc import Collection
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn

from trainables.gradients import compiled
from trainables.gradients.choice import LinearShape, choose
from trainables.gradients.pieces import linear_rows
from trainables.gradients.reductions import accumulate, row_norms
from trainables.gradients.tiling import Array, Tiling, tiling_of
from trainables.gradients.types import DenseRows, Gradient, OuterRows, Rows

ROW_BYTES = 2 * 2**20
"""Rows of one chunk of examples on input with positions: about the second-level cache of a core."""


def refusal(module: nn.Linear) -> str | None:
    """Every Linear is supported."""
    del module
    return None


def input_refusal(x: Tensor) -> str | None:
    """Only batched input [N, ..., I] is supported."""
    return None if x.dim() >= 2 else f"input of shape {tuple(x.shape)}; expected [examples, ..., features]"


def _weight_rows(x: Tensor, d: Tensor) -> Tensor:
    """Weight gradients [N, O, I] of a chunk with positions."""
    return torch.bmm(d.flatten(1, -2).transpose(1, 2), x.flatten(1, -2))


def _chunks(x: Tensor, d: Tensor) -> list[slice]:
    size = max(1, ROW_BYTES // (x.shape[-1] * d.shape[-1] * x.element_size()))
    return [slice(start, start + size) for start in range(0, len(x), size)]


def square_norms(module: nn.Linear, x: Tensor, d: Tensor) -> dict[str, Tensor]:
    """Squared norm of each example's gradient, per tensor: [N], float64."""
    if x.dim() == 2:
        weight, bias = _outer_norms(x, d)
        return {"weight": weight} if module.bias is None else {"weight": weight, "bias": bias}
    norms = {"weight": _accumulated(x, d)[0]}
    if module.bias is not None:
        norms["bias"] = row_norms(d.flatten(1, -2).sum(dim=1))
    return norms


def gradient(module: nn.Linear, x: Tensor, d: Tensor, *, norms: bool) -> Gradient:
    """Sum of the examples' gradients and, if asked for, their squared norms, per tensor."""
    if x.dim() == 2:
        return Gradient(sums(module, x, d), square_norms(module, x, d) if norms else {})
    own, total = _accumulated(x, d)
    found = Gradient({"weight": total}, {"weight": own})
    if module.bias is not None:
        rows_of_bias = d.flatten(1, -2).sum(dim=1)
        found.sums["bias"] = rows_of_bias.sum(dim=0)
        found.square_norms["bias"] = row_norms(rows_of_bias) if norms else own
    return found


def _outer_norms(x: Tensor, d: Tensor) -> tuple[Tensor, Tensor]:
    """Squared norms of the weight and bias gradients on 2-D input, [N], float64."""
    if compiled.takes(x):
        return compiled.outer_norms(x, d)
    bias = row_norms(d)
    return bias * row_norms(x), bias


def _accumulated(x: Tensor, d: Tensor) -> tuple[Tensor, Tensor]:
    """Squared norms of the weight gradients on input with positions, [N], float64, and their sum [O, I]."""
    x, d = x.flatten(1, -2), d.flatten(1, -2)
    if _kernel(x, d) == "bmm":
        return accumulate(_weight_rows(x[part], d[part]) for part in _chunks(x, d))
    tiling, starts = _tiles(x.shape[1], x.shape[2], d.shape[2], compiled.number(x))
    return compiled.summed("linear", x, d, (starts,), tiling)


@cache
def _tiles(positions: int, inputs: int, outputs: int, number: np.dtype) -> tuple[Tiling, Array]:
    """And where the inputs of each position begin."""
    return tiling_of(outputs, [0], inputs, number), np.arange(positions) * inputs


def _kernel(x: Tensor, d: Tensor) -> str:
    """The kernel for x [N, T, I], d [N, T, O]."""
    if 0 in x.shape or 0 in d.shape:
        return "bmm"
    return choose(LinearShape(x.shape[1], x.shape[2], d.shape[2]), x.device.type, x.dtype)


def sums(module: nn.Linear, x: Tensor, d: Tensor) -> dict[str, Tensor]:
    """Sum of the examples' gradients, per tensor, in the parameter's shape."""
    if x.dim() > 2:
        x, d = x.flatten(0, -2), d.flatten(0, -2)
    total = {"weight": d.t() @ x}
    if module.bias is not None:
        total["bias"] = d.sum(dim=0)
    return total


def rows(module: nn.Linear, name: str, x: Tensor, d: Tensor) -> Rows:
    """Rows of one tensor: on 2-D input factored for the weight and d itself for the bias, else formed in pieces."""
    del module
    if x.dim() == 2:
        return OuterRows(d, x) if name == "weight" else DenseRows(d)
    return linear_rows(x, d) if name == "weight" else DenseRows(d.flatten(1, -2).sum(dim=1))


def square_sums(x: Tensor, d: Tensor) -> dict[str, Tensor]:
    """Sum over examples of the squared gradients on 2-D input, float64: sum_i (d_io x_ij)^2 = ((d^2)^T x^2)_oj."""
    squares = d.double().square()
    return {"weight": squares.t() @ x.double().square(), "bias": squares.sum(dim=0)}


def gram(x: Tensor, d: Tensor, tensors: Collection[str]) -> Tensor:
    """Dot products of the examples' gradients on 2-D input, [N, N], float64: (d d^T) * (x x^T + 1 for the bias)."""
    x, d = x.double(), d.double()
    factor = torch.zeros(len(x), len(x), dtype=torch.float64, device=x.device)
    if "weight" in tensors:
        factor += x @ x.t()
    if "bias" in tensors:
        factor += 1.0
    return (d @ d.t()) * factor
