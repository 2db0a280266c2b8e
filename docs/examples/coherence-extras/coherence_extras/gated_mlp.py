"""gated-mlp: one hidden layer of gated linear units, a * sigmoid(b) (Dauphin et al. 2017)."""

from math import prod
from typing import Annotated, Any, Literal

from pydantic import Field

from trainables.models.choices import Network
from trainables.registry import Entry, Integer


class GatedMlp(Network):
    """One hidden layer of `width` gated linear units on the flattened input."""

    name: Literal["gated-mlp"]
    width: Annotated[Integer, Field(ge=1)] = 32


ENTRY = Entry(GatedMlp, "coherence_extras.gated_mlp:build", "one layer of gated linear units", api=1)


def build(choice: GatedMlp, shape: tuple[int, ...], outputs: int) -> Any:
    """An unmodified torch module. torch is imported here, so that listing and planning do not need it."""
    from torch import nn

    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(prod(shape), 2 * choice.width),
        nn.GLU(dim=1),
        nn.Linear(choice.width, outputs),
    )
