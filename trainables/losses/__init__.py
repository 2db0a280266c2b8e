"""Losses by name. Every loss is per example and unreduced: logits [N, C] and labels [N] give [N]."""

from typing import Literal

from trainables.registry import Choice, Entry, with_plugins


class CrossEntropy(Choice):
    """-log softmax(logits)[label], in nats."""

    name: Literal["cross-entropy"]


class SquaredError(Choice):
    """Half the squared distance to the target: one-hot for C outputs; 2 label - 1 for a single output."""

    name: Literal["squared-error"]


LOSSES: dict[str, Entry] = with_plugins(
    "losses",
    {
        "cross-entropy": Entry(CrossEntropy, "trainables.losses.functions:cross_entropy", "softmax cross-entropy"),
        "squared-error": Entry(SquaredError, "trainables.losses.functions:squared_error", "half squared error"),
    },
)
