"""Sums of gradients of the cells of a sample: one matrix a parameter, a row a cell, and their dot products.

Rows are copied where they are to be multiplied, and the matrices of a small model are kept for the next probe: fresh
memory costs as much as the products that are written to it.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from trainables.gradients.vectors import gram

HELD_BYTES = 2**27
"""Of matrices that are kept from one probe to the next."""

Matrices = dict[str, Tensor]
"""By parameter name, [C, P]."""


class Cells:
    """S_c of C cells. memory: matrices left by an earlier probe of the same cells, used again where they fit."""

    def __init__(self, count: int, memory: Matrices) -> None:
        self._count, self._matrices = count, memory
        self._scales: dict[str, npt.NDArray] = {}

    def put(self, cell: int, total: Mapping[str, Tensor], scale: float, *, first: bool) -> None:
        """Add scale x total, of some of the parameters, to S_c. first: in the place of what was there, as it is. A cell
        in double precision makes the matrix so, and so does a cell of several parts."""
        for name, tensor in total.items():
            row, scales = tensor.detach().reshape(-1), self._scales.setdefault(name, np.ones(self._count))
            if first:
                self._matrix(name, row, row.dtype)[cell] = row
                scales[cell] = scale
                continue
            whole = self._matrix(name, row, torch.float64)[cell]
            if scales[cell] != 1.0:
                whole.mul_(scales[cell])
                scales[cell] = 1.0
            whole.add_(row, alpha=scale)

    def _matrix(self, name: str, row: Tensor, dtype: torch.dtype) -> Tensor:
        matrix, shape = self._matrices.get(name), (self._count, len(row))
        if matrix is None or matrix.shape != shape or matrix.device != row.device:
            matrix = row.new_empty(shape)
        self._matrices[name] = matrix.to(torch.promote_types(matrix.dtype, dtype))
        return self._matrices[name]

    def gram(self, tensors: Sequence[str]) -> npt.NDArray:
        """S_c . S_d of some of the parameters together: [C, C], float64."""
        found = [
            gram(self._matrices[name]).cpu().numpy() * np.outer(self._scales[name], self._scales[name])
            for name in tensors
        ]
        return np.sum(found, axis=0)

    def release(self) -> None:
        """Let go of matrices that are too large to be kept."""
        if sum(each.numel() * each.element_size() for each in self._matrices.values()) > HELD_BYTES:
            self._matrices.clear()
