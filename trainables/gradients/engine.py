"""The per-example engine: one ordinary backward pass of an unmodified module, and what it knows.

`exact` mode: statistics are taken beside autograd's own weight gradient, which is computed by the same calls whether
or not anything is measured; parameters are therefore bit-identical with measuring on or off. `fused` mode: where a
layer has a rule and is used once, the sum of its rows is its weight gradient, and autograd's call for it is skipped.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from trainables.gradients.plan import Owner, Plan, make_plan
from trainables.gradients.record import Record
from trainables.gradients.support import Layer, UnsupportedModelError, layers_of
from trainables.gradients.types import Direction, Statistics
from trainables.modes import evaluating, untouched

__all__ = ["Engine", "Record", "square_norm"]


class Engine:
    """Per-example statistics of a model's gradients. Raises UnsupportedModelError for what it cannot do exactly.

    layers: the modules that hold trainable parameters, in registration order.
    parameters: trainable parameters by name.
    eval_mode: the recorded passes are made in evaluation mode, where batch normalisation is affine.
    fused: mean gradients are sums of rows, equal to autograd's to rounding (relative 1e-5 in single precision).

    A model of layers with rules can be recorded at once; any other after `plan`. The checks of `check_model` begin
    with `plan`, and see that its outcome is exact.
    """

    def __init__(self, model: nn.Module, *, eval_mode: bool = False, fused: bool = False) -> None:
        self.model, self.eval_mode, self.fused = model, eval_mode, fused
        self.layers = layers_of(model, eval_mode=eval_mode)
        self.parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
        known = all(layer.rule is not None for layer in self.layers)
        self._plan: Plan | None = Plan(list(self.layers), []) if known else None

    def plan(self, x: Tensor) -> None:
        """Decide, by trial passes over a few of the examples x [N, ...], which way each layer is measured."""
        with untouched(self.model, x.device), evaluating(self.model, self.eval_mode):
            self._plan = make_plan(self.model, self.layers, x)

    def plan_like(self, other: "Engine") -> None:
        """Measure each layer the way that another engine of the same model and mode does, without trial passes."""
        if other.model is not self.model or other.eval_mode != self.eval_mode:
            raise ValueError("given an engine of another model or mode, expected one of this engine's own.")
        self._plan = other._planned()

    @property
    def paths(self) -> dict[str, str]:
        """Layer name -> how it is measured: `rule`, or `torch.func through` the module that is run again."""
        plan = self._planned()
        owned = {layer.name: f"torch.func through {owner.name}" for owner in plan.owners for layer in owner.layers}
        return {layer.name: owned.get(layer.name, "rule") for layer in self.layers}

    def _planned(self) -> Plan:
        if self._plan is None:
            unknown = next(layer for layer in self.layers if layer.rule is None)
            raise UnsupportedModelError(
                f"{unknown.shown} has no per-example rule of its own; call plan(x) with some inputs before recording."
            )
        return self._plan

    @contextmanager
    def recording(self) -> Iterator[Record]:
        """Record the forward pass made inside."""
        plan = self._planned()
        self._check_mode()
        record = Record(plan, self.layers, self.parameters, fused=self.fused)
        handles: list[RemovableHandle] = []
        try:
            handles += [_hook_layer(record, layer) for layer in plan.ruled]
            for owner in plan.owners:
                handles += _hook_owner(record, owner)
            yield record
        finally:
            for handle in handles:
                handle.remove()

    def _check_mode(self) -> None:
        training = [name for name, module in self.model.named_modules() if module.training] if self.eval_mode else []
        if training:
            raise UnsupportedModelError(
                f"given a model in training mode, expected evaluation mode; call model.eval() before the pass"
                f" (module {training[0] or '(root)'!r})."
            )

    def mean_gradient(self, losses: Tensor) -> Direction:
        """The gradient of the mean loss, by the calls that `Record.differentiate` makes, without measuring."""
        gradients = torch.autograd.grad(losses.mean(), list(self.parameters.values()))
        return Direction(dict(zip(self.parameters, gradients, strict=True)))

    def statistics(self, norms: dict[str, dict[str, Tensor]], total: Direction, size: int) -> dict[str, Statistics]:
        """Statistics per layer, and of the whole network under `*`, from norms and the sum (or mean) of gradients.

        total: the mean gradient of the `size` examples; ||S||^2 = size^2 ||mean||^2.
        """
        q = torch.stack([_added(list(norms[layer.name].values())) for layer in self.layers])
        q = torch.cat([q, q.sum(dim=0, keepdim=True)])
        sums, fourth = q.sum(dim=1).tolist(), q.square().sum(dim=1).tolist()
        s2 = [
            size**2 * sum(square_norm(total.tensors[layer.parameter(tensor)]) for tensor in layer.tensors)
            for layer in self.layers
        ]
        names = [*(layer.name for layer in self.layers), "*"]
        found = {
            name: Statistics(size, own, square, four)
            for name, own, square, four in zip(names, sums, [*s2, sum(s2)], fourth, strict=True)
        }
        return found


def _added(tensors: list[Tensor]) -> Tensor:
    return tensors[0] if len(tensors) == 1 else torch.stack(tensors).sum(dim=0)


def _hook_layer(record: Record, layer: Layer) -> RemovableHandle:
    def keep(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        del module
        if not inputs:
            raise UnsupportedModelError(f"{layer.shown} got its input by keyword; call plan(x) first.")
        record.keep(layer, inputs[0], output)

    return layer.module.register_forward_hook(keep)


def _hook_owner(record: Record, owner: Owner) -> list[RemovableHandle]:
    def before(module: nn.Module, args: Any, kwargs: Any) -> None:
        del module
        record.begin(owner, args, kwargs)

    def after(module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        del module, args, kwargs
        record.end(owner, output)

    return [
        owner.module.register_forward_pre_hook(before, with_kwargs=True, prepend=True),
        owner.module.register_forward_hook(after, with_kwargs=True),
    ]


def square_norm(tensor: Tensor) -> float:
    """||tensor||^2 as a Python float."""
    flat = tensor.reshape(-1)
    return float(flat.dot(flat))
