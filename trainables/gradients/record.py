"""What one recorded forward pass left behind, and the statistics of its per-example gradients."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from trainables.gradients.owners import OwnerCall, OwnerPart
from trainables.gradients.parts import Part
from trainables.gradients.plan import Plan
from trainables.gradients.recording import Recording
from trainables.gradients.streaming import Split, Stream
from trainables.gradients.support import Layer, UnsupportedModelError
from trainables.gradients.thirds import FormedMeans, Reused
from trainables.gradients.types import Direction, Examples, Groups, RowStream
from trainables.gradients.uses import RuledPart, TakenPart


class Record(Recording, Examples):
    """What one forward pass left behind; call `differentiate` once, then any of the rest.

    Losses are per example and unreduced; every result is of the unscaled gradients g_i. fused: the mean gradient of
    a layer with a rule, used once, is that of its rows.
    """

    def __init__(
        self, plan: Plan, layers: Sequence[Layer], parameters: Mapping[str, Tensor], *, fused: bool = False
    ) -> None:
        super().__init__(plan)
        self._layers, self._parameters, self._fused = layers, parameters, fused
        self._parts: list[Part] = []
        self._norms: dict[str, dict[str, Tensor]] = {}
        self._scale = 1.0

    def differentiate(
        self, losses: Tensor, *, mean_gradient: bool, keep: bool = True, measured: bool = True
    ) -> Direction | None:
        """Backpropagate the per-example losses [N].

        mean_gradient: also return the gradient of the mean loss, by autograd's ordinary calls (or fused); without it
        the weight gradients are not computed at all. keep: without it squared norms are taken while the pass runs, and
        nothing else can be asked for; with the mean gradient only. measured: without it not even norms.
        """
        self._check_uses(len(losses))
        names = list(self._parameters) if mean_gradient else []
        self._scale = float(len(losses)) if mean_gradient else 1.0
        loss = losses.mean() if mean_gradient else losses.sum()
        streamed = mean_gradient and (self._fused or not (keep and measured))
        once = [each for each in self._plan.ruled if streamed and len(self._uses[each.name]) == 1]
        stream = Stream(fused=self._fused, measured=measured, keep=keep)
        if self._fused:
            own = {name for layer in once for name in layer.names.values()}
            names = [name for name in names if name not in own]
        rest = self._others(once) if measured else []
        edges = [edge for use in rest for edge in use.edges.values()]
        read = [(layer, use.leaves, use.edges[0]) for layer in once for use in self._uses[layer.name]]
        gradients = stream.differentiate(loss, [*(self._parameters[name] for name in names), *edges], read)
        found = {**dict(zip(names, gradients, strict=False)), **stream.sums}
        left = iter(gradients[len(names) :])
        deltas = {id(use): {k: next(left) for k in use.edges} for use in rest}
        if measured:
            self._parts = [*self._streamed(once, stream, len(losses)), *self._made(once, deltas, len(losses))]
        return self._direction(found) if mean_gradient else None

    @property
    def splits(self) -> bool:
        """Whether sums over groups can be taken while the pass runs: each layer has a rule and was used once."""
        return not self._plan.owners and all(len(self._uses[layer.name]) == 1 for layer in self._plan.ruled)

    def differentiate_groups(self, losses: Tensor, groups: Split) -> None:
        """Backpropagate the per-example losses [N] of a pass that `splits`, and hand over the sums of g_i over each
        group while it runs. Squared norms are taken on the way; nothing else can be asked for."""
        if not self.splits:
            raise ValueError("given a pass with layers without a rule, or used several times, expected record.splits.")
        self._check_uses(len(losses))
        stream = Stream(fused=True, measured=True, keep=False, groups=groups)
        read = [(layer, use.leaves, use.edges[0]) for layer in self._plan.ruled for use in self._uses[layer.name]]
        stream.differentiate(losses.sum(), [], read)
        self._parts = list(self._streamed(self._plan.ruled, stream, len(losses)))

    def _direction(self, found: Mapping[str, Tensor | None]) -> Direction:
        mean: dict[str, Tensor] = {}
        for name in self._parameters:
            gradient = found.get(name)
            if gradient is None:
                raise UnsupportedModelError(f"no loss depends on parameter {name!r}; freeze it or use it.")
            mean[name] = gradient
        return Direction(mean)

    def _streamed(self, once: Sequence[Layer], stream: Stream, size: int) -> Iterator[Part]:
        for layer in once:
            if layer.name not in stream.reached:
                raise UnsupportedModelError(f"no loss depends on {layer.shown}; freeze it or use it.")
            names = {name: stream.square_norms[name] for name in layer.names.values()}
            if stream.keep:
                yield RuledPart(layer, [stream.pairs[layer.name]], names)
            else:
                yield TakenPart([layer], size, names)

    def _made(self, once: Sequence[Layer], deltas: dict[int, dict[int, Tensor | None]], size: int) -> Iterator[Part]:
        for layer in (each for each in self._plan.ruled if each not in once):
            pairs = [(use.leaves[0], deltas[id(use)][0]) for use in self._uses[layer.name]]
            reached = [(x, delta) for x, delta in pairs if delta is not None]
            if not reached:
                raise UnsupportedModelError(f"no loss depends on {layer.shown}; freeze it or use it.")
            yield RuledPart(layer, reached)
        for owner in self._plan.owners:
            calls = []
            for use in self._owned[owner.name]:
                own = {k: delta for k, delta in deltas[id(use)].items() if delta is not None}
                assert use.layout is not None
                assert use.spec is not None
                if own:
                    calls.append(OwnerCall(use.layout, use.leaves, use.spec, own))
            if not calls:
                raise UnsupportedModelError(f"no loss depends on {owner.layers[0].shown}; freeze it or use it.")
            yield OwnerPart(owner, self._states[owner.name], calls, size)

    def square_norms(self) -> dict[str, dict[str, Tensor]]:
        """||g_i||^2 per layer and tensor: layer -> tensor -> [N], float64; computed once."""
        if not self._parts:
            raise ValueError(
                "this pass was not measured: given measured=False, expected differentiate(..., measured=True)."
            )
        if not self._norms:
            found = {name: each for part in self._parts for name, each in part.square_norms().items()}
            scaled = dict(zip(found, (torch.stack(list(found.values())) * self._scale**2).unbind(), strict=True))
            self._norms = {
                layer.name: {tensor: scaled[name] for tensor, name in layer.names.items()} for layer in self._layers
            }
        return self._norms

    def norms(self) -> Tensor:
        """||g_i|| over all parameters: [N], float64."""
        return torch.stack([q for layer in self.square_norms().values() for q in layer.values()]).sum(dim=0).sqrt()

    def square_sums(self) -> dict[str, Tensor]:
        """sum_i g_ij^2 per parameter name, in the parameter's shape, float64."""
        found = {name: each * self._scale**2 for part in self._parts for name, each in part.square_sums().items()}
        return {name: found[name] for name in self._parameters}

    def dots(self, direction: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """g_i . V_layer per layer name: [N], float64. direction: V, a tensor per parameter name, in its shape.

        Raises ValueError for a direction without one of the parameters, or in another shape.
        """
        for name, parameter in self._parameters.items():
            if name not in direction or direction[name].shape != parameter.shape:
                given = tuple(direction[name].shape) if name in direction else "nothing"
                raise ValueError(f"direction: given {given} for {name!r}, expected shape {tuple(parameter.shape)}.")
        found = {name: each * self._scale for part in self._parts for name, each in part.dots(direction).items()}
        return {layer.name: found[layer.name] for layer in self._layers}

    def gram(self) -> dict[str, Tensor]:
        """g_i . g_j per layer name: [N, N], float64; rows exist in blocks of bounded size."""
        found = {name: each * self._scale**2 for part in self._parts for name, each in part.gram().items()}
        return {layer.name: found[layer.name] for layer in self._layers}

    def weighted_sum(self, weights: Tensor, group: Tensor | slice = slice(None)) -> Direction:
        """sum over a group (slice or indices; all by default) of weights_i g_i, of weights [N]."""
        found = {n: each for part in self._parts for n, each in part.weighted(weights * self._scale, group).items()}
        return Direction({name: found[name] for name in self._parameters})

    def group_sums(self, groups: Sequence[Tensor | slice]) -> list[Direction]:
        """Sum of g_i over each group of examples (slices or index tensors)."""
        sums: list[dict[str, Tensor]] = [{} for _ in groups]
        for part in self._parts:
            for total, group in zip(sums, groups, strict=True):
                total |= {name: each * self._scale for name, each in part.sums(group).items()}
        return [Direction({name: total[name] for name in self._parameters}) for total in sums]

    def row_sums(self) -> Direction:
        """Sum of g_i over all examples, through the rows of what is measured by `torch.func`."""
        found = {name: each * self._scale for part in self._parts for name, each in part.row_sums().items()}
        return Direction({name: found[name] for name in self._parameters})

    def group_means(self, count: int, size: int, memory: Reused) -> Groups:
        """Mean gradients of `count` consecutive groups of a batch of `size`, as equal as possible. memory: that they
        may be written to, a dictionary kept by the caller from step to step."""
        bounds = [size * g // count for g in range(count + 1)]
        groups = [slice(a, b) for a, b in pairwise(bounds)]
        return FormedMeans(self._parts, groups, self._scale, memory)

    def rows(self) -> RowStream:
        """Per-example gradients, one parameter tensor at a time."""
        where = {name: part for part in self._parts for name in part.parameters}
        for name in self._parameters:
            yield name, where[name].rows(name, self._scale)
