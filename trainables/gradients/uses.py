"""A layer used once or several times in a forward pass.

The gradient of example i is the sum over the layer's uses u of its gradients g_iu. One use goes straight to the
layer's rule; of several, rows are formed and added before norms are taken: ||sum_u g_iu||^2.
"""

from collections.abc import Sequence
from functools import reduce

import torch
from torch import Tensor

from trainables.gradients.linear import row_norms
from trainables.gradients.support import Layer
from trainables.gradients.types import DenseRows, Rows

ROW_BYTES = 16 * 2**20
"""Added rows that exist at a time while norms are taken."""

Pairs = Sequence[tuple[Tensor, Tensor]]
"""(input, output gradient), [N, ...] both, of each use of one layer."""


def square_norms(layer: Layer, pairs: Pairs) -> dict[str, Tensor]:
    """Squared norm of each example's gradient, per tensor: [N], float64."""
    if len(pairs) == 1:
        return layer.rule.square_norms(layer.module, *pairs[0])
    return {tensor: _added_norms(layer, tensor, pairs) for tensor in layer.tensors}


def _added_norms(layer: Layer, tensor: str, pairs: Pairs) -> Tensor:
    parameter: Tensor = getattr(layer.module, tensor)
    size = max(1, ROW_BYTES // (parameter.numel() * parameter.element_size()))
    norms = []
    for start in range(0, len(pairs[0][0]), size):
        part = slice(start, start + size)
        norms.append(row_norms(rows(layer, tensor, [(x[part], d[part]) for x, d in pairs]).dense()))
    return torch.cat(norms)


def sums(layer: Layer, pairs: Pairs, group: Tensor | slice) -> dict[str, Tensor]:
    """Sum over a group of examples and all uses, per tensor, in the parameter's shape."""
    found = [layer.rule.sums(layer.module, x[group], d[group]) for x, d in pairs]
    if len(found) == 1:
        return found[0]
    return {tensor: reduce(torch.add, [each[tensor] for each in found]) for tensor in layer.tensors}


def rows(layer: Layer, tensor: str, pairs: Pairs) -> Rows:
    """Each example's gradient of one tensor; dense where there are several uses."""
    found = [layer.rule.rows(layer.module, tensor, x, d) for x, d in pairs]
    return found[0] if len(found) == 1 else DenseRows(reduce(torch.add, [each.dense() for each in found]))
