"""Which layers have a per-example rule, and the refusal of everything else by name."""

from collections import Counter
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor, nn

from trainables.gradients import conv1d, conv2d, embedding, group_norm, layer_norm, linear
from trainables.gradients.types import Rows


class Rule(Protocol):
    """What a layer type must answer: x is the layer's input, d the gradient of its output, [N, ...] both."""

    def refusal(self, module: Any) -> str | None:
        """Why a layer has no per-example rule, or None."""

    def input_refusal(self, x: Tensor) -> str | None:
        """Why there is none for this input, or None."""

    def square_norms(self, module: Any, x: Tensor, d: Tensor) -> dict[str, Tensor]:
        """Squared norm of each example's gradient, per tensor: [N], float64."""

    def sums(self, module: Any, x: Tensor, d: Tensor) -> dict[str, Tensor]:
        """Sum of the examples' gradients, per tensor, in the parameter's shape."""

    def rows(self, module: Any, name: str, x: Tensor, d: Tensor) -> Rows:
        """Each example's gradient of one tensor."""


RULES: dict[type[nn.Module], Rule] = {
    nn.Linear: linear,
    nn.Conv1d: conv1d,
    nn.Conv2d: conv2d,
    nn.GroupNorm: group_norm.RULE,
    nn.LayerNorm: layer_norm.RULE,
    nn.RMSNorm: layer_norm.RULE,
    nn.Embedding: embedding,
}
"""Exact layer type (no subclass) -> its rule."""


class UnsupportedModelError(ValueError):
    """A model, or a use of one, that has no exact per-example gradient here."""


@dataclass(frozen=True)
class Layer:
    """A layer with trainable parameters: its name in the model, its rule, its parameters' local names."""

    name: str
    module: nn.Module
    rule: Rule
    tensors: tuple[str, ...]

    def parameter(self, tensor: str) -> str:
        """Full name of a parameter in the model."""
        return f"{self.name}.{tensor}" if self.name else tensor

    @property
    def parameters(self) -> int:
        """Trainable scalars."""
        return sum(getattr(self.module, tensor).numel() for tensor in self.tensors)


def _layer(name: str, module: nn.Module, tensors: tuple[str, ...]) -> Layer:
    shown = f"layer {name or '(the model itself)'!r} ({type(module).__name__})"
    rule = RULES.get(type(module))
    if rule is None:
        known = ", ".join(sorted(kind.__name__ for kind in RULES))
        raise UnsupportedModelError(f"{shown} has parameters but no per-example rule. Supported layers: {known}.")
    if reason := rule.refusal(module):
        raise UnsupportedModelError(f"{shown} has no per-example rule for {reason}.")
    return Layer(name, module, rule, tensors)


def layers_of(model: nn.Module) -> list[Layer]:
    """The layers of a model in registration order.

    Raises UnsupportedModelError for a layer without a rule, a batch normalisation (it lets examples see
    each other, with or without parameters) and a parameter shared by several layers.
    """
    found: list[Layer] = []
    for name, module in model.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            raise UnsupportedModelError(
                f"layer {name!r} ({type(module).__name__}) mixes the examples of a batch: its examples have no"
                " gradient of their own. Use a model without batch normalisation."
            )
        own = tuple(key for key, tensor in module.named_parameters(recurse=False) if tensor.requires_grad)
        if own:
            found.append(_layer(name, module, own))
    uses = Counter(id(getattr(layer.module, tensor)) for layer in found for tensor in layer.tensors)
    for layer in found:
        for tensor in layer.tensors:
            if uses[id(getattr(layer.module, tensor))] > 1:
                raise UnsupportedModelError(f"parameter {layer.parameter(tensor)!r} is shared by several layers.")
    return found
