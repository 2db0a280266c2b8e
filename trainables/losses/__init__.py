"""Losses by name. Every loss is per example and unreduced: logits [N, C] and labels [N] give [N]."""

from typing import Annotated, Literal

from pydantic import Field

from trainables.registry import Choice, Entry, Real, with_plugins


class CrossEntropy(Choice):
    """-log softmax(logits)[label], in nats."""

    name: Literal["cross-entropy"]


class SmoothedCrossEntropy(Choice):
    """Cross-entropy against a target that gives `smoothing` of its mass to all C classes alike, in nats."""

    name: Literal["smoothed-cross-entropy"]
    smoothing: Annotated[Real, Field(ge=0.0, lt=1.0)]


class SquaredError(Choice):
    """Half the squared distance to the target: one-hot for C outputs; 2 label - 1 for a single output."""

    name: Literal["squared-error"]


LOSSES = with_plugins(
    "losses",
    {
        "cross-entropy": Entry(CrossEntropy, "trainables.losses.functions:cross_entropy", "softmax cross-entropy"),
        "smoothed-cross-entropy": Entry(
            SmoothedCrossEntropy,
            "trainables.losses.functions:smoothed_cross_entropy",
            "softmax cross-entropy with label smoothing",
        ),
        "squared-error": Entry(SquaredError, "trainables.losses.functions:squared_error", "half squared error"),
    },
)
