"""The part made of one layer with a rule, used once or several times in a forward pass.

The gradient of example i is the sum over the layer's uses u of its gradients g_iu. One use goes straight to the
layer's rule; of several, rows are formed and added before norms are taken: ||sum_u g_iu||^2.
"""

from collections.abc import Mapping, Sequence
from functools import reduce

import torch
from torch import Tensor, nn
from torch.func import functional_call

from trainables.gradients import linear
from trainables.gradients.parts import Part, along
from trainables.gradients.support import Layer
from trainables.gradients.types import DenseRows, Rows
from trainables.modes import evaluating

Pairs = Sequence[tuple[Tensor, Tensor]]
"""(input, output gradient), [N, ...] both, of each use of one layer."""


class RuledPart(Part):
    """One layer through its rule. norms: squared norms by parameter name, where they are known already."""

    def __init__(self, layer: Layer, pairs: Pairs, norms: dict[str, Tensor] | None = None) -> None:
        super().__init__([layer], len(pairs[0][0]))
        assert layer.rule is not None
        self._layer, self._rule, self._pairs, self._norms = layer, layer.rule, pairs, norms

    @property
    def outer(self) -> tuple[Tensor, Tensor] | None:
        """Input and output gradients, [N, I] and [N, O], where every row is one outer product of theirs."""
        single = isinstance(self._layer.module, nn.Linear) and len(self._pairs) == 1
        return self._pairs[0] if single and self._pairs[0][0].dim() == 2 else None

    def block(self, part: slice) -> dict[str, Tensor]:
        """Rows of a block of examples."""
        pairs = [(x[part], d[part]) for x, d in self._pairs]
        return {self._layer.parameter(tensor): self._rows(tensor, pairs).dense() for tensor in self._layer.tensors}

    def square_norms(self) -> dict[str, Tensor]:
        """Squared norm of each example's gradient: [N], float64."""
        if self._norms is not None:
            return self._norms
        if len(self._pairs) > 1:
            return super().square_norms()
        return self._named(self._rule.square_norms(self._layer.module, *self._pairs[0]))

    def sums(self, group: Tensor | slice) -> dict[str, Tensor]:
        """Sum over a group of examples and all uses."""
        return self._sums([(x[group], d[group]) for x, d in self._pairs])

    def weighted(self, weights: Tensor, group: Tensor | slice) -> dict[str, Tensor]:
        """A rule is linear in the output gradients, so these are weighted."""
        return self._sums([(x[group], d[group] * along(weights[group], d)) for x, d in self._pairs])

    def rows(self, name: str, scale: float) -> Rows:
        """Rows of one parameter; dense where there are several uses."""
        pairs = self._pairs if scale == 1.0 else [(x, d * scale) for x, d in self._pairs]
        return self._rows(name.removeprefix(self._layer.prefix), pairs)

    def square_sums(self) -> dict[str, Tensor]:
        """As in `Part`; of outer products without forming rows."""
        if self.outer is None:
            return super().square_sums()
        return self._named(linear.square_sums(*self._pairs[0]))

    def dots(self, direction: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The layer is linear in its parameters: g_i . V = d_i . L(x_i; V), summed over uses.

        In evaluation mode, the only one in which a layer with a rule may have two.
        """
        replaced = {name: torch.zeros_like(tensor) for name, tensor in self._layer.module.named_parameters()}
        for tensor in self._layer.tensors:
            replaced[tensor] = direction[self._layer.parameter(tensor)].to(replaced[tensor])
        _without_padding(self._layer.module, replaced)
        found = []
        with torch.no_grad(), evaluating(self._layer.module):
            for x, d in self._pairs:
                output: Tensor = functional_call(self._layer.module, replaced, (x,))
                found.append((output.double() * d.double()).flatten(1).sum(dim=1))
        return {self._layer.name: reduce(torch.add, found)}

    def gram(self) -> dict[str, Tensor]:
        """As in `Part`; of outer products without forming rows."""
        if self.outer is None:
            return super().gram()
        return {self._layer.name: linear.gram(*self._pairs[0], self._layer.tensors)}

    def _named(self, found: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {self._layer.parameter(tensor): found[tensor] for tensor in self._layer.tensors}

    def _sums(self, pairs: Pairs) -> dict[str, Tensor]:
        found = [self._named(self._rule.sums(self._layer.module, x, d)) for x, d in pairs]
        return {name: reduce(torch.add, [each[name] for each in found]) for name in found[0]}

    def _rows(self, tensor: str, pairs: Pairs) -> Rows:
        found = [self._rule.rows(self._layer.module, tensor, x, d) for x, d in pairs]
        return found[0] if len(found) == 1 else DenseRows(reduce(torch.add, [each.dense() for each in found]))


class TakenPart(Part):
    """A layer of which only the squared norms were kept: by parameter name, [N], float64."""

    def __init__(self, layers: Sequence[Layer], size: int, norms: dict[str, Tensor]) -> None:
        super().__init__(layers, size)
        self._norms = norms

    def square_norms(self) -> dict[str, Tensor]:
        """Those taken."""
        return self._norms

    def block(self, part: slice) -> dict[str, Tensor]:  # noqa: ARG002
        """Not kept."""
        raise self._missing()

    def sums(self, group: Tensor | slice) -> dict[str, Tensor]:  # noqa: ARG002
        """Not kept."""
        raise self._missing()

    def weighted(self, weights: Tensor, group: Tensor | slice) -> dict[str, Tensor]:  # noqa: ARG002
        """Not kept."""
        raise self._missing()

    def rows(self, name: str, scale: float) -> Rows:  # noqa: ARG002
        """Not kept."""
        raise self._missing()

    def _missing(self) -> ValueError:
        return ValueError(
            f"layer {self.layers[0].name!r} has squared norms alone: given keep=False, expected"
            " differentiate(..., keep=True) where more is asked for."
        )


def _without_padding(module: nn.Module, replaced: dict[str, Tensor]) -> None:
    """The padding token of a table is read but has no gradient."""
    if isinstance(module, nn.Embedding) and module.padding_idx is not None:
        replaced["weight"] = replaced["weight"].clone()
        replaced["weight"][module.padding_idx] = 0.0
