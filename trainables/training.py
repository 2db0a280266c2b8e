"""The gradients of one training step, in the form that the aggregator asked for."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from trainables.aggregators import Needs
from trainables.gradients.engine import Engine, Record
from trainables.gradients.types import Direction, GroupMeans

THIRDS = 3


@dataclass(frozen=True)
class Pass:
    """outputs [N, C] and losses [N] of a batch; mean: its mean gradient, where one was taken; means: of its thirds,
    where each was a pass of its own; record: of the pass, where one was kept."""

    outputs: Tensor
    losses: Tensor
    mean: Direction | None = None
    means: GroupMeans | None = None
    record: Record | None = None


class Gradients:
    """Takes them. engine: None for a model without per-example gradients, or where nothing needs them."""

    def __init__(
        self,
        model: nn.Module,
        loss: Callable[[Tensor, Tensor], Tensor],
        needs: Needs,
        parameters: dict[str, nn.Parameter],
        engine: Engine | None,
    ) -> None:
        self._model, self._loss, self._needs, self._engine = model, loss, needs, engine
        self._parameters = parameters

    def take(self, x: Tensor, y: Tensor, *, record: bool) -> Pass:
        """One pass forward and backward; `record`: keep what per-example statistics need.

        A fused mean gradient is taken by the same kernels whether anything is recorded or not.
        """
        own = self._needs in ("nothing", "history")
        if self._engine is None and self._needs == "groups":
            return self._thirds(x, y)
        if self._engine is None or (own and not record and not self._engine.fused):
            outputs = self._model(x)
            losses = self._loss(outputs, y)
            return Pass(outputs, losses, self._mean(losses))
        with self._engine.recording() as kept:
            outputs = self._model(x)
            losses = self._loss(outputs, y)
        mean = kept.differentiate(losses, mean_gradient=own, keep=not own, measured=record or not own)
        return Pass(outputs, losses, mean, record=kept)

    def given(self, made: Pass, size: int) -> Any:
        """What the aggregator's `update` receives."""
        if self._needs == "groups":
            return made.means or _kept(made).group_means(THIRDS, size)
        if self._needs == "rows":
            return _kept(made).rows()
        return _kept(made) if self._needs == "norms" else made.mean

    def _thirds(self, x: Tensor, y: Tensor) -> Pass:
        """A pass for each third, which batch normalisation then normalises by itself."""
        bounds = [len(x) * third // THIRDS for third in range(THIRDS + 1)]
        outputs, losses, means = [], [], []
        for start, end in pairwise(bounds):
            outputs.append(self._model(x[start:end]))
            losses.append(self._loss(outputs[-1], y[start:end]))
            means.append(self._mean(losses[-1]))
        whole = torch.cat([each.detach() for each in outputs]), torch.cat([each.detach() for each in losses])
        return Pass(*whole, means=GroupMeans(tuple(means)))

    def _mean(self, losses: Tensor) -> Direction:
        """By the very calls that `Record.differentiate` makes."""
        gradients = torch.autograd.grad(losses.mean(), list(self._parameters.values()))
        return Direction(dict(zip(self._parameters, gradients, strict=True)))


def _kept(made: Pass) -> Record:
    assert made.record is not None
    return made.record
