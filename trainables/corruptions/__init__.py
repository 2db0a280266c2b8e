"""Label corruptions by name. Selected sets nest: example i is selected iff u_i < fraction."""

from typing import Annotated, Literal

from pydantic import Field

from trainables.registry import Choice, Entry, Real, with_plugins

Fraction = Annotated[Real, Field(ge=0.0, le=1.0)]


class NoCorruption(Choice):
    """Every example keeps its label."""

    name: Literal["none"]


class PermutedLabels(Choice):
    """Labels are permuted among the selected; class totals are kept, and about one in ten of the
    selected keeps its label with 10 classes. The rule of the ICLR 2020 code."""

    name: Literal["permuted-labels"]
    fraction: Fraction


class UniformLabels(Choice):
    """The label of each selected example is redrawn uniformly over all classes."""

    name: Literal["uniform-labels"]
    fraction: Fraction


CORRUPTIONS: dict[str, Entry] = with_plugins(
    "corruptions",
    {
        "none": Entry(NoCorruption, "trainables.corruptions.labels:keep", "original labels"),
        "permuted-labels": Entry(
            PermutedLabels, "trainables.corruptions.labels:permute", "labels permuted among a fraction of the examples"
        ),
        "uniform-labels": Entry(
            UniformLabels, "trainables.corruptions.labels:redraw", "labels redrawn uniformly for a fraction"
        ),
    },
)
