"""Units of one example, through the per-example engine: in the training pass's mode, or in evaluation mode."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from torch import Tensor, nn

from trainables.chunking import is_out_of_memory
from trainables.gradients.engine import Engine, Record
from trainables.gradients.thirds import together
from trainables.inputs import Inputs
from trainables.joint import Put, norms_of, packed, split
from trainables.modes import evaluating, untouched
from trainables.passes import Keep, Loss, Part, Sums, Units
from trainables.sample import Indices
from trainables.units import EvalMode, Example


class ExampleUnits(Units):
    """One example is one unit, through the per-example engine."""

    def __init__(self, model: nn.Module, loss: Loss, engine: Engine, *, eval_mode: bool = False) -> None:
        tensors = {layer.name: tuple(layer.parameter(tensor) for tensor in layer.tensors) for layer in engine.layers}
        super().__init__(
            model, loss, [Part(layer.name, tensors[layer.name], layer.parameters) for layer in engine.layers]
        )
        self.engine, self._eval_mode = engine, eval_mode
        self._join: bool | None = None
        self.estimator = "eval-mode" if eval_mode else "example"

    def _own_mode(self) -> AbstractContextManager[None]:
        return evaluating(self.model) if self._eval_mode else nullcontext()

    def record(
        self, x: Tensor, y: Tensor, *, mean_gradient: bool, keep: bool = True
    ) -> tuple[Record, dict[str, Tensor]]:
        """The record of one pass and, if asked for, the mean gradient by parameter; inside `mode`.

        keep: more than squared norms will be asked of the record.
        """
        with self.engine.recording() as record:
            losses = self.loss(self.model(x), y)
        mean = record.differentiate(losses, mean_gradient=mean_gradient, keep=keep)
        return record, mean.tensors if mean is not None else {}

    def sums(self, x: Tensor, y: Tensor, keep: Keep) -> Sums:
        """Sums over these examples."""
        record, mean = self.record(x, y, mean_gradient=True, keep=keep.squares or keep.classes > 0)
        found = Sums(len(x), mean, scale=len(x))
        norms = norms_of(record)
        _moments(norms, found)
        whole = norms["*"]
        if keep.squares:
            found.squares = record.square_sums()
        if keep.classes:
            self._directions(record, whole, y, keep.classes, found)
        return found

    def cells(self, inputs: Inputs, labels: Tensor, cells: Sequence[Indices], keep: Keep, put: Put) -> Iterator[Sums]:
        """As in `Units`; small cells share a pass, where that is cheaper."""
        joint = self.engine.fused and keep == Keep() and self._joins(inputs)
        for some in packed([len(each) for each in cells], self.chunks.size if joint else 1):

            def place(
                cell: int, total: Mapping[str, Tensor], scale: float, *, first: bool, begin: int = some.start
            ) -> None:
                put(begin + cell, total, scale, first=first)

            found = (
                self._joint(inputs, labels, cells[some], place) if self._join and some.stop > some.start + 1 else None
            )
            yield from found or super().cells(inputs, labels, cells[some], keep, place)

    def _joins(self, inputs: Inputs) -> bool:
        if self._join is None:
            with untouched(self.model, inputs.device):
                self._join = together(self.model, inputs[:2])
            if self._join:  # what a cache must hold is little
                self.chunks.size *= 2
        return self._join

    def _joint(self, inputs: Inputs, labels: Tensor, cells: Sequence[Indices], put: Put) -> list[Sums] | None:
        """Sums of several cells from one pass; None where memory runs out, or sums cannot be taken apart."""
        index = torch.from_numpy(np.concatenate(cells)).to(inputs.device)
        try:
            with self.engine.recording() as record:
                losses = self.loss(self.model(inputs[index]), labels[index])
            self._join = record.splits
            norms = split(record, losses, [len(each) for each in cells], put) if record.splits else None
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            self._join, norms = False, None
        if norms is None:
            return None
        self.seen += len(index)
        return [_moments(own, Sums(len(each))) for own, each in zip(norms, cells, strict=True)]

    def _directions(self, record: Record, squares: Tensor, y: Tensor, classes: int, found: Sums) -> None:
        """An example without a gradient has no direction and is left out."""
        weights = torch.where(squares > 0, squares, 1.0).rsqrt()
        for label in range(classes):
            members = torch.nonzero((y == label) & (squares > 0)).flatten()
            found.directed.append(len(members))
            total = record.weighted_sum(weights, members).tensors if len(members) else {}
            found.directions.append({name: tensor.double() for name, tensor in total.items()})


def _moments(norms: Mapping[str, Tensor], found: Sums) -> Sums:
    """`found` with its q and q4."""
    for layer, own in norms.items():
        found.q[layer], found.q4[layer] = float(own.sum()), float(own.dot(own))
    return found


def example(choice: Example, model: nn.Module, loss: Loss, engine: Engine | None) -> Units:
    """Units of one example in the training pass's mode. Nothing is trained with what they leave, so that their mean
    gradients may be sums of rows; the engine is the trial's own where it does so too."""
    del choice
    assert engine is not None
    return ExampleUnits(model, loss, engine if engine.fused else Engine(model, fused=True))


def eval_mode(choice: EvalMode, model: nn.Module, loss: Loss, engine: Engine | None) -> Units:
    """Units of one example in evaluation mode, through an engine of their own."""
    del choice, engine
    return ExampleUnits(model, loss, Engine(model, eval_mode=True, fused=True), eval_mode=True)
