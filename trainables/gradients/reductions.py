"""Reductions of rows that torch's own operations have formed."""

from collections.abc import Iterable

import torch
from torch import Tensor


def row_norms(x: Tensor) -> Tensor:
    """Squared norm of each row, in float64: [N, ...] -> [N]."""
    return torch.linalg.vector_norm(x if x.dim() == 2 else x.flatten(1), dim=1).double().square_()


def accumulate(chunks: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Squared norm of each row, [N], float64, and the sum of all rows, of rows in chunks of examples [n, ...]."""
    norms: list[Tensor] = []
    total: Tensor | None = None
    for rows in chunks:
        norms.append(row_norms(rows))
        own = rows.sum(dim=0)
        total = own if total is None else total.add_(own)
    assert total is not None
    return torch.cat(norms), total
