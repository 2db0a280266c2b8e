"""A part of a model whose per-example gradients come from one place, and what follows from its rows alone.

Letters: N examples, P scalars of the part. Rows are formed for a block of examples at a time; the size of a block
depends on shapes alone.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property

import torch
from torch import Tensor

from trainables.gradients.reductions import row_norms
from trainables.gradients.support import Layer
from trainables.gradients.types import Rows

ROW_BYTES = 16 * 2**20
"""Rows that exist at a time while they are reduced."""

GRAM_BYTES = 256 * 2**20
"""Rows that exist at a time while their dot products are taken."""


class Part(ABC):
    """Per-example gradients of some layers, in the scale of the output gradients. Keys are full parameter names."""

    def __init__(self, layers: Sequence[Layer], size: int) -> None:
        self.layers, self.size = layers, size

    @cached_property
    def parameters(self) -> dict[str, Tensor]:
        """Parameters by full name."""
        return {name: getattr(layer.module, tensor) for layer in self.layers for tensor, name in layer.names.items()}

    @abstractmethod
    def block(self, part: slice) -> dict[str, Tensor]:
        """Rows of a block of examples, [n, *parameter shape] each."""

    @abstractmethod
    def sums(self, group: Tensor | slice) -> dict[str, Tensor]:
        """Sum over a group of examples, in the parameters' shapes."""

    @abstractmethod
    def weighted(self, weights: Tensor, group: Tensor | slice) -> dict[str, Tensor]:
        """Sum over a group of examples of their weights, of weights [N], times their gradients."""

    @abstractmethod
    def rows(self, name: str, scale: float) -> Rows:
        """Rows of one parameter, times `scale`."""

    def row_sums(self) -> dict[str, Tensor]:
        """Sum over all examples, through the rows wherever `sums` takes another way."""
        return self.sums(slice(None))

    def blocks(self, budget: int, copies: int = 1) -> list[slice]:
        """Blocks of examples, of which `copies` fit `budget` bytes; at least one example each."""
        each = copies * sum(tensor.numel() * tensor.element_size() for tensor in self.parameters.values())
        step = max(1, budget // each)
        return [slice(start, min(start + step, self.size)) for start in range(0, self.size, step)]

    def square_norms(self) -> dict[str, Tensor]:
        """Squared norm of each example's gradient: [N], float64."""
        found = [{name: row_norms(rows) for name, rows in self._double(part)} for part in self.blocks(ROW_BYTES)]
        return {name: torch.cat([each[name] for each in found]) for name in self.parameters}

    def square_sums(self) -> dict[str, Tensor]:
        """Sum over examples of the squares of their gradients, coordinate by coordinate: float64."""
        total = {name: torch.zeros_like(each, dtype=torch.float64) for name, each in self.parameters.items()}
        for part in self.blocks(ROW_BYTES, copies=3):
            for name, rows in self._double(part):
                total[name] += rows.square().sum(dim=0)
        return total

    def dots(self, direction: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Dot product of each example's gradient with a direction, per layer name: [N], float64."""
        found: dict[str, list[Tensor]] = {layer.name: [] for layer in self.layers}
        for part in self.blocks(ROW_BYTES, copies=3):
            rows = dict(self._double(part))
            for layer in self.layers:
                names = [layer.parameter(tensor) for tensor in layer.tensors]
                each = [rows[name].flatten(1) @ direction[name].double().flatten() for name in names]
                found[layer.name].append(torch.stack(each).sum(dim=0))
        return {name: torch.cat(each) for name, each in found.items()}

    def gram(self) -> dict[str, Tensor]:
        """Dot products of all pairs of examples, per layer name: [N, N], float64, from two blocks of rows at a time."""
        blocks = self.blocks(GRAM_BYTES, copies=6)
        first = next(iter(self.parameters.values()))
        found = {
            layer.name: torch.zeros(self.size, self.size, dtype=torch.float64, device=first.device)
            for layer in self.layers
        }
        for k, one in enumerate(blocks):
            rows = self._flat(one)
            for other in blocks[: k + 1]:
                others = rows if other == one else self._flat(other)
                for name, gram in found.items():
                    product = rows[name] @ others[name].t()
                    gram[one, other] = product
                    gram[other, one] = product.t()
        return found

    def _double(self, part: slice) -> list[tuple[str, Tensor]]:
        return [(name, rows.double()) for name, rows in self.block(part).items()]

    def _flat(self, part: slice) -> dict[str, Tensor]:
        """Rows per layer name, [n, P], float64."""
        rows = self.block(part)
        found = {}
        for layer in self.layers:
            own = [rows.pop(layer.parameter(tensor)).flatten(1) for tensor in layer.tensors]
            sizes = [each.shape[1] for each in own]
            flat = own[0].new_empty(len(own[0]), sum(sizes), dtype=torch.float64)
            for place, each in zip(flat.split(sizes, dim=1), own, strict=True):
                place.copy_(each)
            found[layer.name] = flat
        return found


def along(weights: Tensor, values: Tensor) -> Tensor:
    """Weights [N] in a shape that multiplies each example's part of values [N, ...]."""
    return weights.to(values).view(-1, *[1] * (values.dim() - 1))
