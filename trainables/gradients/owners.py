"""The part made of all layers that one owner answers for: `torch.func` runs the owner again, example by example.

With c_i the gradients of the owner's outputs for example i, g_i = (d owner(x_i; theta) / d theta)^T c_i: a
vector-Jacobian product on a batch of one, mapped over the examples of a block. Of several calls of the owner, the
gradients are added. Sums over examples need no rows: the product is then taken on the group as one batch.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call, vjp, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

from trainables.gradients.parts import ROW_BYTES, Part, along
from trainables.gradients.plan import Layout, Owner
from trainables.gradients.support import UnsupportedModelError
from trainables.gradients.trace import versions
from trainables.gradients.types import DenseRows, Rows
from trainables.modes import in_modes, modes_of


@dataclass(frozen=True)
class OwnerCall:
    """One call: input leaves and their structure, and the gradients of the output leaves that have one."""

    layout: Layout
    leaves: list[Any]
    spec: TreeSpec
    deltas: dict[int, Tensor]

    @property
    def mapped(self) -> list[Tensor]:
        """The input leaves that are examples'."""
        return [leaf for leaf, mine in zip(self.leaves, self.layout.examples, strict=True) if mine]

    def arguments(self, mapped: Sequence[Tensor]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Arguments with other examples in place of the call's own."""
        left = iter(mapped)
        leaves = [next(left) if mine else leaf for leaf, mine in zip(self.leaves, self.layout.examples, strict=True)]
        copied = [leaf.clone() if copy else leaf for leaf, copy in zip(leaves, self.layout.copied, strict=True)]
        args, kwargs = tree_unflatten(copied, self.spec)
        return args, kwargs


class OwnerState:
    """Training flags of an owner's modules and versions of its tensors at one time: what a second run must find."""

    def __init__(self, owner: Owner) -> None:
        self._owner, self.modes, self._versions = owner, modes_of(owner.module), self._now(owner)

    @staticmethod
    def _now(owner: Owner) -> list[int]:
        return versions([*owner.module.parameters(), *owner.module.buffers()])

    def check(self) -> None:
        """Raise ValueError if a parameter or a buffer was changed since."""
        if self._now(self._owner) != self._versions:
            raise ValueError(
                f"{self._owner.name!r} ({type(self._owner.module).__name__}) has other weights or buffers than when its"
                " pass was recorded; take statistics before the update."
            )


class OwnerPart(Part):
    """The layers of one owner, from its calls."""

    def __init__(self, owner: Owner, state: OwnerState, calls: Sequence[OwnerCall], size: int) -> None:
        super().__init__(owner.layers, size)
        self._owner, self._state, self._calls = owner, state, calls
        names = {id(parameter): name for name, parameter in owner.module.named_parameters()}
        self._local = {name: names[id(parameter)] for name, parameter in self.parameters.items()}

    def block(self, part: slice) -> dict[str, Tensor]:
        """Rows of a block of examples."""
        return self._block(part, list(self.parameters))

    def rows(self, name: str, scale: float) -> Rows:
        """Rows of one parameter."""
        return DenseRows(torch.cat([self._block(part, [name])[name] for part in self.blocks(ROW_BYTES)]) * scale)

    def row_sums(self) -> dict[str, Tensor]:
        """Sum over all examples of their rows."""
        found = [{name: rows.sum(dim=0) for name, rows in self.block(part).items()} for part in self.blocks(ROW_BYTES)]
        return {name: reduce(torch.add, [each[name] for each in found]) for name in self.parameters}

    def sums(self, group: Tensor | slice) -> dict[str, Tensor]:
        """Sum over a group of examples, as one batch."""
        return self._sums(group, {k: {o: d[group] for o, d in c.deltas.items()} for k, c in enumerate(self._calls)})

    def weighted(self, weights: Tensor, group: Tensor | slice) -> dict[str, Tensor]:
        """A vector-Jacobian product is linear in the output gradients, so these are weighted."""
        own = weights[group]
        deltas = {k: {o: d[group] * along(own, d) for o, d in c.deltas.items()} for k, c in enumerate(self._calls)}
        return self._sums(group, deltas)

    def _sums(self, group: Tensor | slice, deltas: dict[int, dict[int, Tensor]]) -> dict[str, Tensor]:
        if all(len(delta) == 0 for each in deltas.values() for delta in each.values()):
            return {name: torch.zeros_like(each) for name, each in self.parameters.items()}
        names, found = list(self.parameters), []
        for k, call in enumerate(self._calls):
            with self._again():
                mapped = [leaf[group] for leaf in call.mapped]
                found.append(self._product(call, names)(mapped, deltas[k]))
        return {name: reduce(torch.add, [each[name] for each in found]) for name in names}

    def _block(self, part: slice, names: Sequence[str]) -> dict[str, Tensor]:
        found = []
        for call in self._calls:
            product = self._product(call, names)

            def one(mapped: list[Tensor], deltas: dict[int, Tensor], product: _Product = product) -> dict[str, Tensor]:
                single = {o: delta.unsqueeze(0) for o, delta in deltas.items()}
                return product([leaf.unsqueeze(0) for leaf in mapped], single)

            with self._again():
                mapped = [leaf[part] for leaf in call.mapped]
                found.append(vmap(one)(mapped, {o: delta[part] for o, delta in call.deltas.items()}))
        return {name: reduce(torch.add, [each[name] for each in found]) for name in names}

    def _product(self, call: OwnerCall, names: Sequence[str]) -> "_Product":
        """(examples, output gradients) -> gradient of each named parameter, summed over the examples."""
        module, local = self._owner.module, self._local
        buffers = {name: buffer.clone() for name, buffer in module.named_buffers()}

        def product(mapped: Sequence[Tensor], deltas: Mapping[int, Tensor]) -> dict[str, Tensor]:
            def run(parameters: dict[str, Tensor]) -> dict[int, Tensor]:
                given = {local[name]: tensor for name, tensor in parameters.items()}
                outputs = tree_flatten(functional_call(module, {**buffers, **given}, *call.arguments(mapped)))[0]
                return {o: outputs[o] for o in deltas}

            pull = vjp(run, {name: self.parameters[name].detach() for name in names})[1]
            pulled: dict[str, Tensor] = pull(dict(deltas))[0]
            return pulled

        return product

    @contextmanager
    def _again(self) -> Iterator[None]:
        """Run the owner again: as it was, plain attention, no outer graph, an operation's refusal in one line.

        Operations that torch.func maps by a loop warn of their speed; that is what is asked for here.
        """
        self._state.check()
        try:
            with (
                torch.no_grad(),
                sdpa_kernel(SDPBackend.MATH),
                in_modes(self._state.modes),
                _without_speed_warnings(),
            ):
                yield
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            shown = ", ".join(repr(layer.name) for layer in self.layers)
            said = str(error).strip().partition("\n")[0].rstrip(".")
            raise UnsupportedModelError(
                f"layer {shown}: torch.func cannot run {self._owner.name!r} ({type(self._owner.module).__name__}) on"
                f" one example at a time: {said}. Use layers that have a rule there."
            ) from error


@contextmanager
def _without_speed_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="There is a performance drop", category=UserWarning)
        yield


_Product = Callable[[Sequence[Tensor], Mapping[int, Tensor]], dict[str, Tensor]]
