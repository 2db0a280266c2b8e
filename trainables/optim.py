"""Optimizers by name: how a direction changes the parameters.

The direction is the aggregated mean gradient of the data loss; weight decay is never part of what is measured.
Torch-free; the updates are in `trainables.updates`, the rates in `trainables.rates`.
"""

from typing import Annotated, Literal

from pydantic import Field, Strict

from trainables.registry import Choice, Entry, Real, Surroundings, with_plugins

Rate = Annotated[Real, Field(gt=0.0)]
Decay = Annotated[Real, Field(ge=0.0)]
Share = Annotated[Real, Field(ge=0.0, lt=1.0)]


class OptimizerChoice(Choice):
    """A choice of optimizer: has a learning rate, and says whether it remembers directions."""

    lr: Rate

    @property
    def has_momentum(self) -> bool:
        """Whether an update depends on earlier directions."""
        return False


class Sgd(OptimizerChoice):
    """d <- d + weight_decay w; m <- momentum m + d; w <- w - lr m, or w - lr (d + momentum m) with nesterov."""

    name: Literal["sgd"]
    momentum: Share = 0.0
    nesterov: Annotated[bool, Strict()] = False
    weight_decay: Decay = 0.0

    @property
    def has_momentum(self) -> bool:
        """Whether an update depends on earlier directions."""
        return self.momentum > 0

    def check(self, around: Surroundings) -> None:
        """Nesterov's step looks ahead along the momentum, so it needs one."""
        del around
        if self.nesterov and not self.has_momentum:
            raise ValueError("sgd with nesterov: true needs a momentum above 0, given 0.")


class AdamLike(OptimizerChoice):
    """The parameters that adam and adamw share."""

    beta1: Share = 0.9
    beta2: Share = 0.999
    eps: Annotated[Real, Field(gt=0.0)] = 1e-8

    @property
    def has_momentum(self) -> bool:
        """Both keep running means of the directions and of their squares."""
        return True


class Adam(AdamLike):
    """w <- w - lr m / (sqrt(v) + eps), m and v bias-corrected running means of d and d^2,
    d with weight_decay w in it."""

    name: Literal["adam"]
    weight_decay: Decay = 0.0


class AdamW(AdamLike):
    """As adam, with weight decay apart from the gradient: w <- (1 - lr weight_decay) w first."""

    name: Literal["adamw"]
    weight_decay: Decay = 0.01


OPTIMIZERS = with_plugins(
    "optimizers",
    {
        "sgd": Entry(Sgd, "trainables.updates:SgdOptimizer", "gradient descent, with momentum if asked"),
        "adam": Entry(Adam, "trainables.updates:AdamOptimizer", "Adam, weight decay in the gradient"),
        "adamw": Entry(AdamW, "trainables.updates:AdamWOptimizer", "Adam, weight decay apart from the gradient"),
    },
)
