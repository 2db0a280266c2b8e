"""Which layers have a per-example rule, and the refusal by name of what can never have a gradient per example."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from torch import Tensor, nn

from trainables.gradients import batch_norm, conv1d, conv2d, embedding, group_norm, layer_norm, linear
from trainables.gradients.types import Gradient, Rows

ROOT = "(root)"
"""Name of the layer, or owner, that is the model itself."""


class Rule(Protocol):
    """What a layer type must answer: x is the layer's input, d the gradient of its output, [N, ...] both.

    A layer with a rule is linear in its parameters.
    """

    def refusal(self, module: Any) -> str | None:
        """Why a layer has no per-example gradient, or None."""

    def input_refusal(self, x: Tensor) -> str | None:
        """Why there is no rule for this input, or None."""

    def square_norms(self, module: Any, x: Tensor, d: Tensor) -> dict[str, Tensor]:
        """Squared norm of each example's gradient, per tensor: [N], float64."""

    def sums(self, module: Any, x: Tensor, d: Tensor) -> dict[str, Tensor]:
        """Sum of the examples' gradients, per tensor, in the parameter's shape."""

    def gradient(self, module: Any, x: Tensor, d: Tensor, *, norms: bool) -> Gradient:
        """Both, from the same rows where the layer forms any; the sum does not depend on `norms`."""

    def rows(self, module: Any, name: str, x: Tensor, d: Tensor) -> Rows:
        """Each example's gradient of one tensor."""


RULES: dict[type[nn.Module], Rule] = {
    nn.Linear: linear,
    nn.Conv1d: conv1d,
    nn.Conv2d: conv2d,
    nn.GroupNorm: group_norm.RULE,
    nn.LayerNorm: layer_norm.RULE,
    nn.RMSNorm: layer_norm.RULE,
    nn.BatchNorm1d: batch_norm.RULE,
    nn.BatchNorm2d: batch_norm.RULE,
    nn.Embedding: embedding,
}
"""Exact layer type (no subclass) -> its rule; those of batch normalisation hold in evaluation mode."""


class UnsupportedModelError(ValueError):
    """A model, or a use of one, that has no exact per-example gradient here."""


@dataclass(frozen=True)
class Layer:
    """A module that holds trainable parameters.

    name: in the model (`ROOT` for the model itself); prefix: of its parameters' names; rule: None if `torch.func`
    must do; tensors: its parameters' local names. A parameter shared by several modules belongs to the first.
    """

    name: str
    prefix: str
    module: nn.Module
    rule: Rule | None
    tensors: tuple[str, ...]

    @cached_property
    def names(self) -> dict[str, str]:
        """Full name in the model of each of `tensors`."""
        return {tensor: f"{self.prefix}{tensor}" for tensor in self.tensors}

    def parameter(self, tensor: str) -> str:
        """Full name of a parameter in the model."""
        return f"{self.prefix}{tensor}"

    @property
    def parameters(self) -> int:
        """Trainable scalars."""
        return sum(getattr(self.module, tensor).numel() for tensor in self.tensors)

    @property
    def shown(self) -> str:
        """Name and type, for messages."""
        return f"layer {self.name!r} ({type(self.module).__name__})"


def refuse_mixing(model: nn.Module, *, eval_mode: bool) -> None:
    """Refuse by name a batch normalisation that uses the batch's own statistics, with or without parameters."""
    for name, module in model.named_modules():
        if not isinstance(module, nn.modules.batchnorm._BatchNorm):
            continue
        shown = f"layer {name or ROOT!r} ({type(module).__name__}) mixes the examples of a batch"
        if not eval_mode:
            raise UnsupportedModelError(
                f"{shown}: its examples have no gradient of their own. Use estimator grouped or eval-mode, or a model"
                " without batch normalisation."
            )
        if module.running_mean is None:
            raise UnsupportedModelError(
                f"{shown} in evaluation mode too, as track_running_stats=False; expected True for estimator"
                " eval-mode. Use estimator grouped."
            )


def layers_of(model: nn.Module, *, eval_mode: bool = False) -> list[Layer]:
    """The modules of a model that hold trainable parameters, in registration order; each parameter in the first.

    Raises UnsupportedModelError for a batch normalisation without running statistics to use, and for a layer
    whose options leave no per-example gradient.
    """
    refuse_mixing(model, eval_mode=eval_mode)
    held = Counter(id(tensor) for module in model.modules() for _, tensor in module.named_parameters(recurse=False))
    found: list[Layer] = []
    seen: set[int] = set()
    for name, module in model.named_modules():
        own = {key: tensor for key, tensor in module.named_parameters(recurse=False) if tensor.requires_grad}
        tensors = tuple(key for key, tensor in own.items() if id(tensor) not in seen)
        seen |= {id(tensor) for tensor in own.values()}
        if not tensors:
            continue
        rule = RULES.get(type(module))
        if rule is not None and (reason := rule.refusal(module)):
            raise UnsupportedModelError(
                f"layer {name or ROOT!r} ({type(module).__name__}) has no per-example gradient for {reason}."
            )
        shared = any(held[id(own[key])] > 1 for key in tensors)
        found.append(Layer(name or ROOT, f"{name}." if name else "", module, None if shared else rule, tensors))
    return found
