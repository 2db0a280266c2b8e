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

HELD_BYTES = 2**26
"""Of matrices that are kept from one probe to the next."""

Matrices = dict[str, Tensor]
"""By parameter name, [C, P]."""


class Cells:
    """S_c of C cells. memory: matrices left by an earlier probe of the same cells, used again where they fit."""

    def __init__(self, count: int, memory: Matrices) -> None:
        self._matrices, self._scale = memory, np.ones(count)

    def put(self, cell: int, total: Mapping[str, Tensor], scale: float) -> None:
        """S_c = scale x total. One cell in double precision makes the matrix so."""
        self._scale[cell] = scale
        for name, tensor in total.items():
            row = tensor.detach().reshape(-1)
            matrix = self._matrices.get(name)
            if matrix is None or matrix.shape != (len(self._scale), len(row)) or matrix.device != row.device:
                matrix = row.new_empty(len(self._scale), len(row))
            if torch.promote_types(matrix.dtype, row.dtype) != matrix.dtype:
                matrix = matrix.to(row.dtype)
            matrix[cell] = row
            self._matrices[name] = matrix

    def gram(self, tensors: Sequence[str]) -> npt.NDArray:
        """S_c . S_d of some of the parameters together: [C, C], float64."""
        found = [gram(self._matrices[name]).cpu().numpy() for name in tensors]
        return np.sum(found, axis=0) * np.outer(self._scale, self._scale)

    def release(self) -> None:
        """Let go of matrices that are too large to be kept."""
        if sum(each.numel() * each.element_size() for each in self._matrices.values()) > HELD_BYTES:
            self._matrices.clear()
