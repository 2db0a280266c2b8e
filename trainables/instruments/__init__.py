"""Instruments by name: pure functions of sufficient statistics, one file each."""

from typing import Literal

from trainables.registry import Choice, Entry, with_plugins


class Coherence(Choice):
    """alpha = ||S||^2 / (n Q), m-coherence = ||S||^2 / Q, and the unbiased alpha with its error."""

    name: Literal["coherence"]


class EffectiveSampleSize(Choice):
    """Q^2 / sum ||g_i||^4: how many examples carry the squared norm."""

    name: Literal["effective-sample-size"]


INSTRUMENTS: dict[str, Entry] = with_plugins(
    "instruments",
    {
        "coherence": Entry(
            Coherence, "trainables.instruments.coherence:measure", "alpha, m-coherence, unbiased alpha and its error"
        ),
        "effective-sample-size": Entry(
            EffectiveSampleSize,
            "trainables.instruments.effective_sample_size:measure",
            "examples that carry the squared norm",
        ),
    },
)
