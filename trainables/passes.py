"""Passes over examples at frozen weights: what one unit of measurement is, and what a pass leaves behind.

Three kinds of units, by the estimator of a spec: an example in the model's training mode, an example in evaluation
mode, the mean gradient of k examples in training mode. A pass changes neither weights, nor running statistics, nor a
module's mode.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor, nn

from trainables.chunking import Chunks
from trainables.gradients.engine import Engine
from trainables.gradients.types import Statistics
from trainables.inputs import Inputs
from trainables.joint import Put
from trainables.modes import frozen_buffers
from trainables.sample import Indices
from trainables.units import Grouped

CHUNK = {"cpu": 256}
"""Examples of one forward and backward pass by type of device, unless memory runs out; 512 on others. A host is faster
on fewer, whose activations fit its caches."""

Loss = Callable[[Tensor, Tensor], Tensor]
"""Outputs and labels to losses [N]."""


@dataclass(frozen=True)
class Part:
    """A layer as the tables see it: its name, the full names of its parameters, its trainable scalars."""

    name: str
    tensors: tuple[str, ...]
    parameters: int


@dataclass(frozen=True)
class Keep:
    """What a pass over a sample keeps beside the dots of its cells. total: S; squares: sums of squares by coordinate;
    classes: labels 0..classes-1 whose directions are summed apart, 0 for none."""

    total: bool = False
    squares: bool = False
    classes: int = 0


@dataclass
class Sums:
    """Of the units of one cell, in float64.

    n: units. total: S = sum g_i per parameter, but for a factor `scale`, in the gradients' type until `settle`. q, q4:
    sums of ||g_i||^2 and ||g_i||^4 per layer and `*`. squares: sum g_ij^2 per parameter. directions: per class, sum of
    g_i / ||g_i|| per parameter, and `directed`, how many had a direction.
    """

    n: int = 0
    total: dict[str, Tensor] = field(default_factory=dict)
    q: dict[str, float] = field(default_factory=dict)
    q4: dict[str, float] = field(default_factory=dict)
    squares: dict[str, Tensor] = field(default_factory=dict)
    directions: list[dict[str, Tensor]] = field(default_factory=list)
    directed: list[int] = field(default_factory=list)
    scale: float = 1.0

    def add(self, other: "Sums") -> None:
        """Take in the sums of other units."""
        self.settle()
        self.n += other.n
        _accumulate(self.total, other.total, other.scale)
        _accumulate(self.squares, other.squares)
        for mine, theirs in ((self.q, other.q), (self.q4, other.q4)):
            for name, value in theirs.items():
                mine[name] = mine.get(name, 0.0) + value
        if other.directions:
            self.directions = self.directions or [{} for _ in other.directions]
            self.directed = [
                a + b for a, b in zip(self.directed or [0] * len(other.directed), other.directed, strict=True)
            ]
            for own, new in zip(self.directions, other.directions, strict=True):
                _accumulate(own, new)

    def settle(self) -> None:
        """Make `total` S itself, in float64."""
        if self.scale != 1.0 or any(tensor.dtype != torch.float64 for tensor in self.total.values()):
            self.total = {name: tensor.double() * self.scale for name, tensor in self.total.items()}
        self.scale = 1.0


class Units(ABC):
    """Units of one kind. `k` examples each; `estimator` as the tables name it; `seen` counts the examples taken
    forward and backward; `memory` is used again from probe to probe."""

    estimator: str
    k = 1

    def __init__(self, model: nn.Module, loss: Loss, parts: Sequence[Part]) -> None:
        self.model, self.loss, self.parts = model, loss, parts
        self.seen = 0
        self.memory: dict[str, Tensor] = {}
        self.chunks = Chunks(_chunk(model))

    @contextmanager
    def mode(self) -> Iterator[None]:
        """The state of the model in which these units are measured."""
        with frozen_buffers(self.model), self._own_mode():
            yield

    def _own_mode(self) -> AbstractContextManager[None]:
        return nullcontext()

    @abstractmethod
    def sums(self, x: Tensor, y: Tensor, keep: Keep) -> Sums:
        """Sums over the units of a few examples, inside `mode`."""

    def cell(self, inputs: Inputs, labels: Tensor, indices: Indices, keep: Keep) -> Sums:
        """Sums over the units of the examples at `indices`, inside `mode`, a chunk at a time; not settled where one
        chunk is all."""
        parts = self._chunked(inputs, labels, indices, keep)
        found = next(parts, Sums())
        for one in parts:
            found.add(one)
        return found

    def _chunked(self, inputs: Inputs, labels: Tensor, indices: Indices, keep: Keep) -> Iterator[Sums]:
        def work(part: slice) -> Sums:
            index = torch.from_numpy(indices[part]).to(inputs.device)
            return self.sums(inputs[index], labels[index], keep)

        yield from self.chunks.over(len(indices), work)
        self.seen += len(indices)

    def cells(self, inputs: Inputs, labels: Tensor, cells: Sequence[Indices], keep: Keep, put: Put) -> Iterator[Sums]:
        """`cell` of each of several, inside `mode`. put: takes S of each; only where keep.total is it in what is
        yielded too."""
        for number, indices in enumerate(cells):
            found = Sums()
            for one in self._chunked(inputs, labels, indices, keep):
                put(number, one.total, one.scale, first=found.n == 0)
                found.add(one if keep.total else replace(one, total={}))
            yield found

    def statistics(self, x: Tensor, y: Tensor) -> dict[str, Statistics]:
        """Statistics of one batch per layer and, under `*`, of the whole network."""
        found = Sums()
        with self.mode():
            found.add(self.sums(x, y, Keep()))
        self.seen += len(x)
        s2 = {part.name: _square(found.total, part.tensors) for part in self.parts}
        s2["*"] = sum(s2.values())
        return {name: Statistics(found.n, found.q[name], s2[name], found.q4[name], self.k) for name in s2}


class GroupedUnits(Units):
    """The mean gradient of k consecutive examples is one unit; the model sees them as one batch. Examples beyond the
    last whole group are left out."""

    estimator = "grouped"

    def __init__(self, model: nn.Module, loss: Loss, k: int) -> None:
        super().__init__(model, loss, parts_of(model))
        self.k = k
        self._parameters = trainable(model)
        # A chunk must hold whole groups, so that chunks never change which examples meet.
        self.chunks = Chunks(max(1, _chunk(model) // k) * k)

    def _chunked(self, inputs: Inputs, labels: Tensor, indices: Indices, keep: Keep) -> Iterator[Sums]:
        """Over the whole groups of the examples at `indices`, in one piece."""
        zeros = {name: torch.zeros_like(p, dtype=torch.float64) for name, p in self._parameters.items()}
        found = Sums(total=zeros, q=self._zeros(), q4=self._zeros())
        whole = indices[: len(indices) // self.k * self.k]
        for unit in whole.reshape(-1, self.k):
            index = torch.from_numpy(unit).to(inputs.device)
            found.add(self.sums(inputs[index], labels[index], keep))
        self.seen += whole.size
        yield found

    def _zeros(self) -> dict[str, float]:
        return dict.fromkeys([*(part.name for part in self.parts), "*"], 0.0)

    def sums(self, x: Tensor, y: Tensor, keep: Keep) -> Sums:
        """Sums over the groups of these examples."""
        del keep
        found = Sums(q=self._zeros(), q4=self._zeros())
        for start in range(0, len(x) - self.k + 1, self.k):
            group = slice(start, start + self.k)
            mean = self.loss(self.model(x[group]), y[group]).mean()
            gradients = torch.autograd.grad(mean, list(self._parameters.values()))
            total = {name: g.double() for name, g in zip(self._parameters, gradients, strict=True)}
            own = {part.name: _square(total, part.tensors) for part in self.parts}
            own["*"] = sum(own.values())
            found.add(Sums(1, total, own, {name: value * value for name, value in own.items()}))
        return found


def grouped(choice: Grouped, model: nn.Module, loss: Loss, engine: Engine | None) -> Units:
    """Units of k examples."""
    del engine
    return GroupedUnits(model, loss, choice.k)


def _chunk(model: nn.Module) -> int:
    return CHUNK.get(next(iter(model.parameters())).device.type, 512)


def trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    """Parameters that are trained, by full name."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def parts_of(model: nn.Module) -> list[Part]:
    """Modules that hold trainable parameters themselves, in registration order; the model itself as `(root)`."""
    found, names = [], {id(parameter): name for name, parameter in trainable(model).items()}
    for name, module in model.named_modules():
        own = [parameter for parameter in module.parameters(recurse=False) if id(parameter) in names]
        if own:
            tensors = tuple(names.pop(id(parameter)) for parameter in own)
            found.append(Part(name or "(root)", tensors, sum(parameter.numel() for parameter in own)))
    return found


def _accumulate(into: dict[str, Tensor], new: Mapping[str, Tensor], scale: float = 1.0) -> None:
    for name, tensor in new.items():
        if name not in into:
            into[name] = torch.zeros_like(tensor, dtype=torch.float64)
        into[name].add_(tensor, alpha=scale)


def _square(tensors: Mapping[str, Tensor], names: Sequence[str]) -> float:
    """Squared norm of some of the tensors together."""
    return float(np.sum([float(tensors[name].reshape(-1).dot(tensors[name].reshape(-1))) for name in names]))
