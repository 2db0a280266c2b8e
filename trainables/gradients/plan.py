"""Which way each layer's per-example gradients are taken: by its rule, or by `torch.func` through an owner.

A layer takes its rule when it alone uses its parameters, on one input whose first axis is that of the examples. All
else falls to an owner: the smallest module that is running whenever the layer's parameters are used, that holds
them, and whose inputs and outputs are those of examples. Two trial passes of different size tell the axis of
examples from an axis that merely has its length. The plan depends on the model's code and shapes, never on values.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from trainables.gradients.support import ROOT, Layer, UnsupportedModelError
from trainables.gradients.trace import Call, Stack, Trace, trace

SIZES = (2, 3)
"""Examples of the two trial passes."""


@dataclass(frozen=True)
class Layout:
    """Of one call of an owner: which input leaves are examples', and which of them the call changes in place."""

    examples: tuple[bool, ...]
    copied: tuple[bool, ...]


@dataclass(frozen=True)
class Owner:
    """A module that is run again by `torch.func`. layouts: of its calls, in order; layers: that it answers for."""

    name: str
    module: nn.Module
    layouts: tuple[Layout, ...]
    layers: list[Layer] = field(default_factory=list)


@dataclass(frozen=True)
class Plan:
    """Layers that take their rule, and owners of all others."""

    ruled: list[Layer]
    owners: list[Owner]


class _NotAnOwner(Exception):
    """Why a module cannot answer for a layer; a larger one may."""


def make_plan(model: nn.Module, layers: Sequence[Layer], x: Tensor) -> Plan:
    """Plan for a model in the mode it is in, from passes over the first examples of x [N, ...] (repeated if too few).

    Raises UnsupportedModelError by name for a layer that is not used, and for one that no owner can answer for.
    """
    one, two = (trace(model, x[torch.arange(size, device=x.device) % len(x)]) for size in SIZES)
    names = {module: name or ROOT for name, module in model.named_modules()}
    plan = Plan([], [])
    owners: dict[nn.Module, Owner] = {}
    for layer in layers:
        if _takes_its_rule(layer, one, two):
            plan.ruled.append(layer)
            continue
        module, layouts = _owner(layer, one, two, names)
        if module not in owners:
            owners[module] = Owner(names[module], module, layouts)
            plan.owners.append(owners[module])
        owners[module].layers.append(layer)
    return plan


def _sites(layer: Layer, found: Trace) -> list[Stack]:
    used = [found.sites.get(id(getattr(layer.module, key)), []) for key in layer.tensors]
    return list(dict.fromkeys(stack for stacks in used for stack in stacks))


def _takes_its_rule(layer: Layer, *traces: Trace) -> bool:
    if layer.rule is None:
        return False
    for found in traces:
        sites, calls = _sites(layer, found), found.calls.get(layer.module, [])
        if not sites or any(stack[-1] is not layer.module for stack in sites):
            return False
        for call in calls:
            if not call.positional or call.inputs[0].shape[:1] != (found.size,):
                return False
            if layer.rule.input_refusal(call.inputs[0]):
                return False
    return True


def _owner(layer: Layer, one: Trace, two: Trace, names: dict[nn.Module, str]) -> tuple[nn.Module, tuple[Layout, ...]]:
    """The smallest module that can answer for a layer; candidates are on the stack at every use."""
    stacks = [*_sites(layer, one), *_sites(layer, two)]
    stacks = stacks or [call.stack for found in (one, two) for call in found.calls.get(layer.module, [])]
    if not stacks:
        raise UnsupportedModelError(f"{layer.shown} has parameters but was not used.")
    reason = "it is not used inside a module that holds it"
    for module in reversed(min(stacks, key=len)):
        if not all(module in stack for stack in stacks):
            continue
        try:
            layouts = _layouts(layer, module, one, two)
        except _NotAnOwner as error:
            reason = f"{names.get(module, type(module).__name__)!r} ({type(module).__name__}) {error}"
            continue
        _refuse_random(layer, names[module], module)
        return module, layouts
    raise UnsupportedModelError(
        f"{layer.shown} has no exact per-example gradient: {reason}. The first axis of the inputs and outputs of the"
        " module that uses it must be that of the examples."
    )


def _layouts(layer: Layer, module: nn.Module, one: Trace, two: Trace) -> tuple[Layout, ...]:
    held = {id(parameter) for parameter in module.parameters()}
    if not all(id(getattr(layer.module, key)) in held for key in layer.tensors):
        raise _NotAnOwner("does not hold its parameters")
    if not one.calls[module]:
        raise _NotAnOwner("gives no tensor that autograd follows")
    if len(one.calls[module]) != len(two.calls[module]):
        raise _NotAnOwner("is called more or less often for a larger batch")
    if any(call.stack.count(module) > 1 for call in one.calls[module]):
        raise _NotAnOwner("calls itself")
    return tuple(
        _layout(layer, a, b, (one.size, two.size)) for a, b in zip(one.calls[module], two.calls[module], strict=True)
    )


def _layout(layer: Layer, a: Call, b: Call, sizes: tuple[int, int]) -> Layout:
    """Layout of one call, seen at two sizes of the batch."""
    if len(a.inputs) != len(b.inputs) or len(a.outputs) != len(b.outputs):
        raise _NotAnOwner("takes or gives another number of tensors for a larger batch")
    examples = tuple(_of_examples(one, two, sizes) for one, two in zip(a.inputs, b.inputs, strict=True))
    if not any(examples):
        raise _NotAnOwner("takes no tensor whose first axis is that of the examples")
    for k in a.edges:
        if not _of_examples(a.outputs[k], b.outputs[k], sizes):
            raise _NotAnOwner("gives a tensor whose first axis is not that of the examples")
    if _entangled(a):
        raise _NotAnOwner("gives a tensor that is made from another that it gives")
    if a.changed_buffers:
        raise UnsupportedModelError(
            f"{layer.shown} has no per-example gradient: the forward pass of {type(a.stack[-1]).__name__} changes its"
            " buffers, so that it cannot be run again. Use estimator eval-mode, or turn its running statistics off."
        )
    return Layout(examples, tuple(x or y for x, y in zip(a.changed_inputs, b.changed_inputs, strict=True)))


def _of_examples(one: Any, two: Any, sizes: tuple[int, int]) -> bool:
    """Whether a leaf has an axis of examples first; False for one that is the same at both sizes of the batch."""
    if isinstance(one, Tensor) and isinstance(two, Tensor):
        if one.dim() and (len(one), len(two)) == sizes and one.shape[1:] == two.shape[1:]:
            return True
        if one.shape == two.shape:
            return False
        raise _NotAnOwner(
            f"has a tensor of shape {tuple(one.shape)} for {sizes[0]} examples, {tuple(two.shape)} for {sizes[1]}"
        )
    plain = isinstance(one, bool | int | float | complex | str | torch.device)
    if one is not two and not (plain and type(one) is type(two) and one == two):
        raise _NotAnOwner(f"has {one!r} for {sizes[0]} examples, {two!r} for {sizes[1]}")
    return False


def _entangled(call: Call) -> bool:
    """Whether one output is reached by autograd from another: its gradient would then hold the other's."""
    edges = list(call.edges.values())
    ends = [(edge.node, edge.output_nr) for edge in edges]
    if len(edges) < 2:
        return False
    if len(set(ends)) < len(ends):
        return True
    for node, _ in ends:
        seen, left = set(), [node]
        while left:
            for end in left.pop().next_functions:
                if end in ends:
                    return True
                if end[0] is not None and end[0] not in seen:
                    seen.add(end[0])
                    left.append(end[0])
    return False


def _refuse_random(layer: Layer, name: str, module: nn.Module) -> None:
    """Masks drawn anew would not be those of the training pass."""
    for key, child in module.named_modules():
        rate = getattr(child, "p", None) if isinstance(child, nn.modules.dropout._DropoutNd) else None
        if isinstance(child, nn.MultiheadAttention | nn.RNNBase):
            rate = child.dropout
        if rate and child.training:
            raise UnsupportedModelError(
                f"{layer.shown} has no rule and is measured by running {name!r} again, whose dropout"
                f" {key or name!r} ({rate}) would draw other masks. Use p=0, or estimator eval-mode."
            )
