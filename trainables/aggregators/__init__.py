"""Aggregators by name: how the gradients of a step become one direction, and what each needs for it.

facts: `nothing` (the mean gradient), `groups` (mean gradients of thirds of the shuffled batch),
`history` (mean gradients of the last three batches), `rows` (every example's gradient, tensor by tensor) or
`norms` (the norm of every example's whole gradient, and weighted sums of the gradients).
"""

from math import ceil, floor
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from trainables.registry import Choice, Entry, Real, Surroundings, with_plugins

Needs = Literal["nothing", "groups", "history", "rows", "norms"]


def tail_count(level: float, batch_size: int) -> int:
    """k = min(rint(level/100 (b-1)), floor((b-1)/2)): values replaced or dropped in each tail of a batch of b.

    `level` is a percentage per tail in [0, 50], as in Chatterjee (2020).
    """
    return int(min(np.rint(level / 100 * (batch_size - 1)), floor((batch_size - 1) / 2)))


def smallest_level(batch_size: int) -> float:
    """The smallest level, to two decimals, that reaches at least one value per tail; inf if none does."""
    if batch_size < 3:
        return float("inf")
    level = ceil(50 / (batch_size - 1) * 100) / 100
    return level if tail_count(level, batch_size) else round(level + 0.01, 2)


class Mean(Choice):
    """The mini-batch gradient: plain SGD."""

    name: Literal["mean"]


class Levelled(Choice):
    """A choice with a percentage per tail; `effect` says what happens to a value in a tail."""

    effect: ClassVar[str]
    level: Annotated[Real, Field(ge=0.0, le=50.0)]

    def check(self, around: Surroundings) -> None:
        """A positive level that reaches no value is refused, naming the smallest that works."""
        if self.level > 0 and tail_count(self.level, around.batch_size) == 0:
            raise ValueError(
                f"{self.name} level {self.level:g} % of batch size {around.batch_size} {self.effect} no value;"
                f" the smallest level that does is {smallest_level(around.batch_size):g}."
            )


class Winsorized(Levelled):
    """In every coordinate the k smallest and k largest of the b values are pulled in to the next one, then averaged."""

    effect: ClassVar[str] = "replaces"
    name: Literal["winsorized"]


class TrimmedMean(Levelled):
    """In every coordinate the k smallest and k largest of the b values are dropped, the rest averaged."""

    effect: ClassVar[str] = "drops"
    name: Literal["trimmed-mean"]


class CoordinateMedian(Choice):
    """In every coordinate the median of the b values. ReLU networks on sparse inputs do not train under it: an
    example's gradient is 0 wherever its input or unit is, so that the median of most coordinates is exactly 0."""

    name: Literal["coordinate-median"]


class NormClipped(Choice):
    """Each example's whole gradient is scaled to a norm of at most `clip`, then averaged."""

    name: Literal["norm-clipped"]
    clip: Annotated[Real, Field(gt=0.0)]


class SignOfSum(Choice):
    """`scale` times the sign of the summed gradient, per coordinate; the learning rate multiplies `scale`."""

    name: Literal["sign-of-sum"]
    scale: Annotated[Real, Field(gt=0.0)] = 0.001


class SumOfSigns(Choice):
    """`scale` times the sum over examples of the signs of their gradients, per coordinate: a vote of the examples.
    The learning rate multiplies `scale`."""

    name: Literal["sum-of-signs"]
    scale: Annotated[Real, Field(gt=0.0)] = 0.001


class MedianOf3(Choice):
    """Coordinate-wise median of the mean gradients of three thirds of the batch (M3)."""

    name: Literal["median-of-3"]

    def check(self, around: Surroundings) -> None:
        """Needs at least one example in each third."""
        if around.batch_size < 3:
            raise ValueError(f"median-of-3 needs a batch size of at least 3, given {around.batch_size}.")


class RollingMedianOf3(Choice):
    """Coordinate-wise median of the last three batch gradients (RM3); idles for two steps. Weight decay enters each
    batch gradient before the median."""

    name: Literal["rolling-median-of-3"]

    def check(self, around: Surroundings) -> None:
        """Momentum on top of gradients of earlier steps is refused."""
        if around.has_momentum:
            raise ValueError(
                "rolling-median-of-3 does not go with momentum, nor with adam or adamw: the released code refuses it"
                " as unstable. Use sgd with momentum 0."
            )


class RollingMeanOf3(Choice):
    """Mean of the last three batch gradients (RA3): the control of RM3; idles for two steps."""

    name: Literal["rolling-mean-of-3"]


AGGREGATORS = with_plugins(
    "aggregators",
    {
        "mean": Entry(Mean, "trainables.aggregators.mean:build", "plain mini-batch gradient", "nothing"),
        "winsorized": Entry(
            Winsorized, "trainables.aggregators.winsorized:build", "coordinate-wise winsorized mean", "rows"
        ),
        "trimmed-mean": Entry(
            TrimmedMean, "trainables.aggregators.trimmed_mean:build", "coordinate-wise trimmed mean", "rows"
        ),
        "coordinate-median": Entry(
            CoordinateMedian,
            "trainables.aggregators.coordinate_median:build",
            "median of the examples per coordinate; ReLU networks on sparse inputs do not train under it",
            "rows",
        ),
        "norm-clipped": Entry(
            NormClipped, "trainables.aggregators.norm_clipped:build", "mean of norm-clipped example gradients", "norms"
        ),
        "sign-of-sum": Entry(
            SignOfSum, "trainables.aggregators.sign_of_sum:build", "sign of the summed gradient", "nothing"
        ),
        "sum-of-signs": Entry(
            SumOfSigns, "trainables.aggregators.sum_of_signs:build", "sum of the examples' gradient signs", "rows"
        ),
        "median-of-3": Entry(
            MedianOf3, "trainables.aggregators.median_of_3:build", "median of three thirds of the batch", "groups"
        ),
        "rolling-median-of-3": Entry(
            RollingMedianOf3,
            "trainables.aggregators.rolling:build_median",
            "median of the last three batch gradients",
            "history",
        ),
        "rolling-mean-of-3": Entry(
            RollingMeanOf3,
            "trainables.aggregators.rolling:build_mean",
            "mean of the last three batch gradients (control)",
            "history",
        ),
    },
)
