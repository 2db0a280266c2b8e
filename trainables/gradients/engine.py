"""The per-example engine: one ordinary backward pass of an unmodified module, and what it knows.

`exact` mode: statistics are taken beside autograd's own weight gradient, which is computed by the same
calls whether or not anything is measured; parameters are therefore bit-identical with measuring on or off.
While recording, a forward hook keeps each layer's input and the autograd edge of its output; the edge (not
the tensor) stays right when an activation changes the output in place.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge

from trainables.gradients import uses
from trainables.gradients.support import Layer, UnsupportedModelError, layers_of
from trainables.gradients.types import Direction, Examples, GroupMeans, RowStream, Statistics


@dataclass(frozen=True)
class _Use:
    x: Tensor
    version: int
    edge: GradientEdge


class Record(Examples):
    """What one forward pass left behind; call `differentiate` once, then any of the rest.

    Losses are per example and unreduced; every result is of the unscaled gradients g_i.
    """

    def __init__(self, layers: Sequence[Layer], parameters: Mapping[str, Tensor]) -> None:
        self._layers, self._parameters = layers, parameters
        self._uses: dict[str, list[_Use]] = {layer.name: [] for layer in layers}
        self._pairs: dict[str, list[tuple[Tensor, Tensor]]] = {}
        self._norms: dict[str, dict[str, Tensor]] = {}
        self._scale = 1.0

    def keep(self, layer: Layer, x: Tensor, output: Tensor) -> None:
        """Remember one use of a layer (called by the forward hook)."""
        if reason := layer.rule.input_refusal(x):
            raise UnsupportedModelError(
                f"layer {layer.name!r} ({type(layer.module).__name__}) has no per-example rule for {reason}."
            )
        self._uses[layer.name].append(_Use(x.detach(), x._version, get_gradient_edge(output)))

    def differentiate(self, losses: Tensor, *, mean_gradient: bool) -> Direction | None:
        """Backpropagate the per-example losses [N].

        mean_gradient: also return the gradient of the mean loss, by autograd's ordinary calls; without it
        the weight gradients are not computed at all.
        """
        self._check_uses(len(losses))
        made = [(layer.name, use) for layer in self._layers for use in self._uses[layer.name]]
        names = list(self._parameters) if mean_gradient else []
        wanted: Any = [*(self._parameters[name] for name in names), *(use.edge for _, use in made)]
        self._scale = float(len(losses)) if mean_gradient else 1.0
        gradients = torch.autograd.grad(losses.mean() if mean_gradient else losses.sum(), wanted)
        self._pairs = {layer.name: [] for layer in self._layers}
        for (name, use), delta in zip(made, gradients[len(names) :], strict=True):
            self._pairs[name].append((use.x, delta))
        return Direction(dict(zip(names, gradients, strict=False))) if mean_gradient else None

    def _check_uses(self, size: int) -> None:
        for layer in self._layers:
            if not self._uses[layer.name]:
                raise UnsupportedModelError(f"layer {layer.name!r} has parameters but was not used.")
            for use in self._uses[layer.name]:
                if use.x._version != use.version:
                    raise UnsupportedModelError(
                        f"the input of layer {layer.name!r} was changed in place after its use."
                    )
                if len(use.x) != size:
                    raise UnsupportedModelError(
                        f"layer {layer.name!r} got input of shape {tuple(use.x.shape)} for {size} examples;"
                        " the first axis must be that of the examples."
                    )

    def square_norms(self) -> dict[str, dict[str, Tensor]]:
        """||g_i||^2 per layer and tensor: layer -> tensor -> [N], float64; computed once."""
        scale = self._scale**2
        for layer in self._layers if not self._norms else ():
            found = uses.square_norms(layer, self._pairs[layer.name])
            self._norms[layer.name] = {tensor: found[tensor] * scale for tensor in layer.tensors}
        return self._norms

    def norms(self) -> Tensor:
        """||g_i|| over all parameters: [N], float64."""
        return torch.stack([q for layer in self.square_norms().values() for q in layer.values()]).sum(dim=0).sqrt()

    def weighted_sum(self, weights: Tensor) -> Direction:
        """sum_i weights_i g_i: a rule is linear in the output gradients, so these are weighted."""
        total: dict[str, Tensor] = {}
        for layer in self._layers:
            pairs = [(x, delta * _along(weights * self._scale, delta)) for x, delta in self._pairs[layer.name]]
            found = uses.sums(layer, pairs, slice(None))
            total |= {layer.parameter(tensor): found[tensor] for tensor in layer.tensors}
        return Direction(total)

    def group_sums(self, groups: Sequence[Tensor | slice]) -> list[Direction]:
        """Sum of g_i over each group of examples (slices or index tensors)."""
        sums: list[dict[str, Tensor]] = [{} for _ in groups]
        for layer in self._layers:
            for total, group in zip(sums, groups, strict=True):
                found = uses.sums(layer, self._pairs[layer.name], group)
                total |= {layer.parameter(tensor): found[tensor] * self._scale for tensor in layer.tensors}
        return [Direction(total) for total in sums]

    def group_means(self, count: int, size: int) -> GroupMeans:
        """Mean gradients of `count` consecutive groups of a batch of `size`, as equal as possible."""
        bounds = [size * g // count for g in range(count + 1)]
        groups = [slice(a, b) for a, b in pairwise(bounds)]
        sums = self.group_sums(groups)
        means = [
            Direction({name: total / (group.stop - group.start) for name, total in direction.tensors.items()})
            for direction, group in zip(sums, groups, strict=True)
        ]
        return GroupMeans(tuple(means))

    def rows(self) -> RowStream:
        """Per-example gradients, one parameter tensor at a time."""
        for layer in self._layers:
            pairs = self._pairs[layer.name]
            if self._scale != 1.0:
                pairs = [(x, delta * self._scale) for x, delta in pairs]
            for tensor in layer.tensors:
                yield layer.parameter(tensor), uses.rows(layer, tensor, pairs)


class Engine:
    """Per-example statistics of a model's gradients. Raises UnsupportedModelError for what it cannot do exactly."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self.layers = layers_of(model)
        self.parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}

    @contextmanager
    def recording(self) -> Iterator[Record]:
        """Record the forward pass made inside."""
        record = Record(self.layers, self.parameters)

        def hook(layer: Layer) -> torch.utils.hooks.RemovableHandle:
            def keep(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
                del module
                if not inputs:
                    raise UnsupportedModelError(f"layer {layer.name!r} got its input by keyword; pass it by position.")
                record.keep(layer, inputs[0], output)

            return layer.module.register_forward_hook(keep)

        handles = [hook(layer) for layer in self.layers]
        try:
            yield record
        finally:
            for handle in handles:
                handle.remove()

    def mean_gradient(self, losses: Tensor) -> Direction:
        """The gradient of the mean loss, by the calls that `Record.differentiate` makes, without measuring."""
        gradients = torch.autograd.grad(losses.mean(), list(self.parameters.values()))
        return Direction(dict(zip(self.parameters, gradients, strict=True)))

    def statistics(self, norms: dict[str, dict[str, Tensor]], total: Direction, size: int) -> dict[str, Statistics]:
        """Statistics per layer, and of the whole network under `*`, from norms and the sum (or mean) of gradients.

        total: the mean gradient of the `size` examples; ||S||^2 = size^2 ||mean||^2.
        """
        found: dict[str, Statistics] = {}
        whole, s2_whole = torch.zeros((), dtype=torch.float64), 0.0
        for layer in self.layers:
            q = torch.stack([norms[layer.name][tensor] for tensor in layer.tensors]).sum(dim=0)
            s2 = size**2 * sum(square_norm(total.tensors[layer.parameter(tensor)]) for tensor in layer.tensors)
            found[layer.name] = Statistics(size, float(q.sum()), s2, float(q.dot(q)))
            whole, s2_whole = whole + q, s2_whole + s2
        found["*"] = Statistics(size, float(whole.sum()), s2_whole, float(whole.dot(whole)))
        return found


def _along(weights: Tensor, delta: Tensor) -> Tensor:
    """Weights [N] in a shape that multiplies each example's part of delta [N, ...]."""
    return weights.to(delta).view(-1, *[1] * (delta.dim() - 1))


def square_norm(tensor: Tensor) -> float:
    """||tensor||^2 as a Python float."""
    flat = tensor.reshape(-1)
    return float(flat.dot(flat))
