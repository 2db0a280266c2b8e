"""Learning-rate schedules by name: what the optimizer's `lr` is multiplied by at each step.

Torch-free. A schedule is a pure function of the choice and the step: nothing is kept, so a resumed trial has the
same rates. Warm-up comes first: at step t of W = warmup_epochs x steps per epoch the factor is (t + 1) / W, and
1 is reached at step W - 1. Milestones and warm-up are counted in epochs from the start of the trial.
"""

from collections.abc import Callable
from math import cos, pi
from typing import Annotated, Any, Literal

from pydantic import Field

from trainables.registry import Choice, Entry, Integer, Real, Surroundings, with_plugins

Factor = Callable[[Any, int, int, int], float]
"""(choice, step, total steps, steps per epoch) -> factor on the optimizer's rate."""


class Warmed(Choice):
    """A schedule that may begin with epochs of linear warm-up."""

    warmup_epochs: Annotated[Integer, Field(ge=0)] = 0

    def check(self, around: Surroundings) -> None:
        """The warm-up must end before the trial does."""
        if self.warmup_epochs >= around.epochs:
            raise ValueError(
                f"schedule {self.name} warms up for {self.warmup_epochs} epochs,"
                f" which leaves none of the trial's {around.epochs}."
            )


class Constant(Warmed):
    """The optimizer's rate at every step."""

    name: Literal["constant"]


class Step(Warmed):
    """The rate is multiplied by `gamma` at the start of each epoch in `milestones` (the first epoch is 0)."""

    name: Literal["step"]
    milestones: Annotated[tuple[Annotated[Integer, Field(ge=1)], ...], Field(min_length=1)]
    gamma: Annotated[Real, Field(gt=0.0)] = 0.1

    def check(self, around: Surroundings) -> None:
        """Milestones rise, come after the warm-up and within the trial."""
        super().check(around)
        if list(self.milestones) != sorted(set(self.milestones)):
            raise ValueError(f"schedule step needs rising milestones, given {list(self.milestones)}.")
        if self.milestones[0] < self.warmup_epochs or self.milestones[-1] >= around.epochs:
            raise ValueError(
                f"schedule step has milestones {list(self.milestones)}; expected epochs from"
                f" {max(1, self.warmup_epochs)} (after the warm-up) to {around.epochs - 1} (the trial's last)."
            )


class ToEnd(Warmed):
    """A schedule that falls from 1 to `final`, a fraction of the rate, from the end of the warm-up to the last step."""

    final: Annotated[Real, Field(ge=0.0, le=1.0)] = 0.0


class Cosine(ToEnd):
    """Falls along half a cosine to `final` times the rate, which it would reach one step after the last."""

    name: Literal["cosine"]


class Linear(ToEnd):
    """Falls along a line to `final` times the rate, which it would reach one step after the last."""

    name: Literal["linear"]


def _warm(factor: Factor) -> Factor:
    """The factor after the warm-up, (t + 1) / W during it."""

    def warmed(choice: Warmed, step: int, total: int, per_epoch: int) -> float:
        warm = choice.warmup_epochs * per_epoch
        return (step + 1) / warm if step < warm else factor(choice, step, total, per_epoch)

    return warmed


def _progress(choice: Warmed, step: int, total: int, per_epoch: int) -> float:
    """Share of the way from the end of the warm-up to `total`, in [0, 1)."""
    warm = choice.warmup_epochs * per_epoch
    return (step - warm) / (total - warm)


@_warm
def constant(choice: Constant, step: int, total: int, per_epoch: int) -> float:
    """1."""
    del choice, step, total, per_epoch
    return 1.0


@_warm
def stepped(choice: Step, step: int, total: int, per_epoch: int) -> float:
    """gamma to the number of milestones reached."""
    del total
    return float(choice.gamma ** sum(step >= epoch * per_epoch for epoch in choice.milestones))


@_warm
def cosine(choice: Cosine, step: int, total: int, per_epoch: int) -> float:
    """final + (1 - final) (1 + cos(pi p)) / 2, p the share of the way."""
    return choice.final + (1 - choice.final) * (1 + cos(pi * _progress(choice, step, total, per_epoch))) / 2


@_warm
def linear(choice: Linear, step: int, total: int, per_epoch: int) -> float:
    """1 - (1 - final) p, p the share of the way."""
    return 1 - (1 - choice.final) * _progress(choice, step, total, per_epoch)


SCHEDULES = with_plugins(
    "schedules",
    {
        "constant": Entry(Constant, "trainables.rates:constant", "the optimizer's rate throughout"),
        "step": Entry(Step, "trainables.rates:stepped", "a factor at each of some epochs"),
        "cosine": Entry(Cosine, "trainables.rates:cosine", "half a cosine down to a fraction"),
        "linear": Entry(Linear, "trainables.rates:linear", "a line down to a fraction"),
    },
)
