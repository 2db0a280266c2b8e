"""The gradients of one training step, in the form that the aggregator asked for."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from trainables.aggregators import Needs
from trainables.gradients.engine import Engine, Record
from trainables.gradients.thirds import Reused
from trainables.gradients.types import Direction, GroupMeans

THIRDS = 3


@dataclass(frozen=True)
class Pass:
    """outputs [N, C] and losses [N] of a batch; mean: its mean gradient, where one was taken; means: of its thirds,
    where each was a pass of its own; records: of the pass, or of those of the thirds, where they were kept."""

    outputs: Tensor
    losses: Tensor
    mean: Direction | None = None
    means: GroupMeans | None = None
    records: tuple[Record, ...] = ()

    @property
    def record(self) -> Record:
        """The record of a single pass."""
        (record,) = self.records
        return record

    def measured(self) -> tuple[dict[str, dict[str, Tensor]], Direction]:
        """Squared norms of the examples' gradients, layer -> tensor -> [N], and the mean gradient of the batch."""
        size, found = len(self.losses), [record.square_norms() for record in self.records]
        norms = {
            layer: {tensor: torch.cat([each[layer][tensor] for each in found]) for tensor in tensors}
            for layer, tensors in found[0].items()
        }
        if self.mean is not None:
            return norms, self.mean
        if self.means is None:
            total = self.record.group_sums([slice(None)])[0].tensors
            return norms, Direction({name: tensor / size for name, tensor in total.items()})
        shares = [(part.stop - part.start) / size for part in thirds(size)]
        weighed = {
            name: sum(each * share for each, share in zip(means, shares, strict=True))
            for name, means in self.means.tensors()
        }
        return norms, Direction(weighed)


def thirds(size: int) -> list[slice]:
    """A batch in three parts, as equal as possible."""
    bounds = [size * third // THIRDS for third in range(THIRDS + 1)]
    return [slice(a, b) for a, b in pairwise(bounds)]


class Gradients:
    """Takes them. engine: None for a model without per-example gradients, or where nothing needs them. together: take
    the gradients of the three thirds from one pass of the whole batch, for which there must be an engine."""

    def __init__(
        self,
        model: nn.Module,
        loss: Callable[[Tensor, Tensor], Tensor],
        needs: Needs,
        parameters: dict[str, nn.Parameter],
        engine: Engine | None,
        *,
        together: bool = False,
    ) -> None:
        self._model, self._loss, self._needs, self._engine = model, loss, needs, engine
        self._parameters, self._together = parameters, together
        self._memory: Reused = {}

    def take(self, x: Tensor, y: Tensor, *, record: bool) -> Pass:
        """One pass forward and backward; `record`: keep what per-example statistics need.

        A fused mean gradient is taken by the same kernels whether anything is recorded or not.
        """
        own = self._needs in ("nothing", "history")
        if self._needs == "groups" and not self._together:
            return self._thirds(x, y, record)
        if self._engine is None or (own and not record and not self._engine.fused):
            outputs = self._model(x)
            losses = self._loss(outputs, y)
            return Pass(outputs, losses, self._mean(losses))
        with self._engine.recording() as kept:
            outputs = self._model(x)
            losses = self._loss(outputs, y)
        mean = kept.differentiate(losses, mean_gradient=own, keep=not own, measured=record or not own)
        return Pass(outputs, losses, mean, records=(kept,))

    def given(self, made: Pass, size: int) -> Any:
        """What the aggregator's `update` receives."""
        if self._needs == "groups":
            return made.means or made.record.group_means(THIRDS, size, self._memory)
        if self._needs == "rows":
            return made.record.rows()
        return made.record if self._needs == "norms" else made.mean

    def _thirds(self, x: Tensor, y: Tensor, record: bool) -> Pass:
        """A pass for each third, which batch normalisation then normalises by itself."""
        passes = [self._alone(x[part], y[part], record) for part in thirds(len(x))]
        return Pass(
            torch.cat([each.outputs.detach() for each in passes]),
            torch.cat([each.losses.detach() for each in passes]),
            means=GroupMeans(tuple(each.mean for each in passes if each.mean is not None)),
            records=tuple(kept for each in passes for kept in each.records),
        )

    def _alone(self, x: Tensor, y: Tensor, record: bool) -> Pass:
        """One pass with its mean gradient; the same, bit for bit, whether or not it is recorded."""
        if not record or self._engine is None:
            outputs = self._model(x)
            losses = self._loss(outputs, y)
            return Pass(outputs, losses, self._mean(losses))
        with self._engine.recording() as kept:
            outputs = self._model(x)
            losses = self._loss(outputs, y)
        return Pass(outputs, losses, kept.differentiate(losses, mean_gradient=True), records=(kept,))

    def _mean(self, losses: Tensor) -> Direction:
        """By the very calls that `Record.differentiate` makes."""
        gradients = torch.autograd.grad(losses.mean(), list(self._parameters.values()))
        return Direction(dict(zip(self._parameters, gradients, strict=True)))
