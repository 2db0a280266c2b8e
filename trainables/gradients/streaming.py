"""Gradients of single layers taken while the backward pass makes them, so that no output gradient outlives its layer.

A layer with a rule that was used once is read by a hook on the autograd node of its output: there the output gradient
is in cache, and input and output gradient may be dropped at once. In the `fused` mode the sum of the layer's rows is
its weight gradient, and autograd is asked for none. Autograd makes what something below was asked for; of a layer
with no other below, the output gradient itself is asked for.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge, Node

from trainables.gradients.support import Layer

Take = Callable[[Tensor], None]
"""What is done with an output gradient."""


@dataclass(frozen=True)
class Split:
    """Consecutive slices of all examples; put(k, sums) is given the k-th's sums of a layer's gradients, by name."""

    slices: Sequence[slice]
    put: Callable[[int, dict[str, Tensor]], None]


@dataclass
class Stream:
    """Of layers used once: what was taken of each. Keys of the first three are full parameter names.

    fused: also take the sum of the rows. measured: take squared norms. keep: keep input and output gradient, by
    layer name. groups: instead of the sum, hand over that of each of these consecutive slices of all examples.
    """

    fused: bool
    measured: bool
    keep: bool
    groups: Split | None = None
    sums: dict[str, Tensor] = field(default_factory=dict)
    square_norms: dict[str, Tensor] = field(default_factory=dict)
    pairs: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict)
    reached: set[str] = field(default_factory=set)

    def differentiate(
        self,
        loss: Tensor,
        wanted: Sequence[Tensor | GradientEdge],
        layers: Sequence[tuple[Layer, list[Any], GradientEdge]],
    ) -> list[Tensor | None]:
        """Gradients of `wanted`, taking those of the layers' outputs on the way; a layer's input is let go of then."""
        takes = {edge: self._take(layer, leaves) for layer, leaves, edge in layers}
        ends = lowest(list(takes)) if self.fused else []
        asked: Any = [*wanted, *ends]
        with taken(takes):
            found = torch.autograd.grad(loss, asked, allow_unused=True)
        for edge, gradient in zip(ends, found[len(wanted) :], strict=True):
            if gradient is not None:
                takes[edge](gradient)
        return list(found[: len(wanted)])

    def _take(self, layer: Layer, leaves: list[Any]) -> Take:
        def take(d: Tensor) -> None:
            if layer.name in self.reached:
                return
            self.reached.add(layer.name)
            x = leaves.pop()
            self._measure(layer, x, d)
            if self.keep:
                self.pairs[layer.name] = (x, d)

        return take

    def _measure(self, layer: Layer, x: Tensor, d: Tensor) -> None:
        assert layer.rule is not None
        if self.groups is not None:
            norms = _by_group(layer, x, d, self.groups)
        elif self.fused:
            found = layer.rule.gradient(layer.module, x, d, norms=self.measured)
            norms = found.square_norms
            self.sums |= {name: found.sums[tensor] for tensor, name in layer.names.items()}
        elif self.measured:
            norms = layer.rule.square_norms(layer.module, x, d)
        if self.measured:
            self.square_norms |= {name: norms[tensor] for tensor, name in layer.names.items()}


def _by_group(layer: Layer, x: Tensor, d: Tensor, groups: Split) -> dict[str, Tensor]:
    """Squared norms of all examples; the sums of one group are let go of before those of the next are made."""
    assert layer.rule is not None
    norms: dict[str, list[Tensor]] = {tensor: [] for tensor in layer.names}
    for number, group in enumerate(groups.slices):
        found = layer.rule.gradient(layer.module, x[group], d[group], norms=True)
        groups.put(number, {name: found.sums[tensor] for tensor, name in layer.names.items()})
        for tensor, each in norms.items():
            each.append(found.square_norms[tensor])
        del found
    return {tensor: torch.cat(each) for tensor, each in norms.items()}


@contextmanager
def taken(takes: Mapping[GradientEdge, Take]) -> Iterator[None]:
    """While a backward pass runs inside, hand each edge's gradient over. The handles go with it, since a hook that
    holds its own graph is a cycle that nothing collects."""
    handles = [edge.node.register_prehook(_hook(edge.output_nr, take)) for edge, take in takes.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _hook(number: int, take: Take) -> Callable[[Sequence[Tensor | None]], None]:
    def hook(gradients: Sequence[Tensor | None]) -> None:
        gradient = gradients[number]
        if gradient is not None:
            take(gradient)

    return hook


def lowest(edges: Sequence[GradientEdge]) -> list[GradientEdge]:
    """The edges from which no other is reached."""
    nodes = {edge.node for edge in edges}
    return [edge for edge in edges if not _reaches(edge.node, nodes)]


def _reaches(node: Node, others: set[Node]) -> bool:
    seen, left = {node}, [node]
    while left:
        for below, _ in left.pop().next_functions:
            if below is None or below in seen:
                continue
            if below in others:
                return True
            seen.add(below)
            left.append(below)
    return False
