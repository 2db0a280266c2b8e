"""What hooks keep of a forward pass: inputs of layers and owners, and the autograd edges of their outputs.

The edge (not the tensor) stays right when an activation changes the output in place.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.utils._pytree import TreeSpec, tree_flatten

from trainables.gradients.owners import OwnerState
from trainables.gradients.plan import Layout, Owner, Plan
from trainables.gradients.support import Layer, UnsupportedModelError
from trainables.gradients.trace import edges_of, versions


@dataclass(frozen=True)
class Use:
    """Of a layer or an owner: inputs and their versions, and the edges of the outputs."""

    leaves: list[Any]
    versions: list[int]
    edges: dict[int, GradientEdge]
    layout: Layout | None = None
    spec: TreeSpec | None = None

    def inputs(self) -> Iterator[Tensor]:
        """The input tensors that are examples'."""
        marks = self.layout.examples if self.layout else (True,)
        return (leaf for leaf, mine in zip(self.leaves, marks, strict=True) if mine)

    def changed(self) -> bool:
        """Whether an input was changed in place since it was kept."""
        return versions(self.leaves) != self.versions


class Recording:
    """Uses of one pass."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._uses: dict[str, list[Use]] = {layer.name: [] for layer in plan.ruled}
        self._owned: dict[str, list[Use]] = {owner.name: [] for owner in plan.owners}
        self._states = {owner.name: OwnerState(owner) for owner in plan.owners}
        self._pending: list[tuple[list[Any], TreeSpec, list[int], Layout]] = []

    def keep(self, layer: Layer, x: Tensor, output: Tensor) -> None:
        """Remember one use of a layer with a rule (called after its forward pass)."""
        assert layer.rule is not None
        if reason := layer.rule.input_refusal(x):
            raise UnsupportedModelError(f"{layer.shown} has no per-example rule for {reason}.")
        if output.requires_grad:
            use = Use([x.detach()], [x._version], {0: get_gradient_edge(output)})
            self._uses[layer.name].append(use)

    def begin(self, owner: Owner, args: Any, kwargs: Any) -> None:
        """Remember the inputs of an owner (called before its forward pass)."""
        leaves, spec = tree_flatten((args, kwargs))
        made = len(self._owned[owner.name])
        if not torch.is_grad_enabled():
            layout = Layout((False,) * len(leaves), (False,) * len(leaves))
        elif made >= len(owner.layouts) or len(owner.layouts[made].examples) != len(leaves):
            raise UnsupportedModelError(
                f"{owner.name!r} ({type(owner.module).__name__}) was called otherwise than at the first step; a model"
                " measured by torch.func must make the same calls every time."
            )
        else:
            layout = owner.layouts[made]
        kept = [
            (leaf.detach().clone() if copied else leaf.detach()) if isinstance(leaf, Tensor) else leaf
            for leaf, copied in zip(leaves, layout.copied, strict=True)
        ]
        self._pending.append((kept, spec, versions(kept), layout))

    def end(self, owner: Owner, output: Any) -> None:
        """Remember the outputs of an owner (called after its forward pass)."""
        leaves, spec, found, layout = self._pending.pop()
        if edges := edges_of(tree_flatten(output)[0]):
            self._owned[owner.name].append(Use(leaves, found, edges, layout, spec))

    def _check_uses(self, size: int) -> None:
        shown = {layer.name: layer.shown for layer in self._plan.ruled}
        for name, uses in [*self._uses.items(), *self._owned.items()]:
            if not uses:
                raise UnsupportedModelError(f"{shown.get(name, name)} has parameters but was not used.")
            for use in uses:
                if use.layout is None and use.leaves[0]._version == use.versions[0] and use.leaves[0].shape[0] == size:
                    continue
                if use.changed():
                    raise UnsupportedModelError(
                        f"the input of {shown.get(name, repr(name))} was changed in place after its use."
                    )
                for x in use.inputs():
                    if len(x) != size:
                        raise UnsupportedModelError(
                            f"{shown.get(name, repr(name))} got input of shape {tuple(x.shape)} for {size} examples;"
                            " the first axis must be that of the examples."
                        )

    def _others(self, once: Sequence[Layer]) -> list[Use]:
        """Uses of all but some layers."""
        names = {layer.name for layer in once}
        ruled = [use for name, made in self._uses.items() if name not in names for use in made]
        return ruled + [use for made in self._owned.values() for use in made]
