"""Optimizers and learning-rate schedules by name: how a direction changes the parameters.

The direction d is the aggregated mean gradient of the data loss; nothing is added to it here.
"""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from trainables.registry import Choice, Entry, Real, with_plugins

if TYPE_CHECKING:
    from torch import Tensor


class Sgd(Choice):
    """Plain gradient descent at a constant rate: w <- w - lr d."""

    name: Literal["sgd"]
    lr: Annotated[Real, Field(gt=0.0)]


class SgdOptimizer:
    """w <- w - lr d; no state."""

    def __init__(self, choice: Sgd) -> None:
        self._lr = choice.lr

    def rate(self, step: int) -> float:
        """Learning rate of the update from step to step + 1."""
        del step
        return self._lr

    def apply(self, parameters: "dict[str, Tensor]", direction: "dict[str, Tensor]", step: int) -> None:
        """Update the parameters in place."""
        for name, parameter in parameters.items():
            parameter.data.add_(direction[name], alpha=-self.rate(step))

    def state(self) -> "dict[str, Tensor]":
        """Tensors that a bit-exact resume needs."""
        return {}

    def load_state(self, state: "dict[str, Tensor]") -> None:
        """Take back what `state` gave."""
        del state


OPTIMIZERS: dict[str, Entry] = with_plugins(
    "optimizers", {"sgd": Entry(Sgd, "trainables.optim:SgdOptimizer", "gradient descent at a constant rate")}
)
