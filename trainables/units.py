"""Estimators by name: what one unit of measurement is. Torch-free.

An example has a gradient of its own only where the model treats the examples of a batch independently. Batch
normalisation does not: such a model is measured in groups, or in evaluation mode, and says so in spec and tables.
"""

from typing import Annotated, Literal

from pydantic import Field

from trainables.registry import Choice, Entry, Integer, Surroundings


class Example(Choice):
    """One example is one unit, in the training pass itself. Refused where examples see each other."""

    name: Literal["example"]

    def check(self, around: Surroundings) -> None:
        """A model that mixes examples has no per-example gradient."""
        if around.mixes_examples:
            raise ValueError(
                f"model {around.model!r} has batch normalisation, which mixes the examples of a batch: they have no"
                " gradient of their own. Use estimator {name: grouped, k: 10} or eval-mode, or norm: group."
            )


class Grouped(Choice):
    """The mean gradient of k random examples is one unit, in training mode; alpha of one example by inversion.

    alpha_U of the units first, then alpha = alpha_U / (k - (k-1) alpha_U).
    """

    name: Literal["grouped"]
    k: Annotated[Integer, Field(ge=2)]

    def check(self, around: Surroundings) -> None:
        """Two units at least, in a batch where it is measured online, and in the probe."""
        if around.online and around.batch_size < 2 * self.k:
            raise ValueError(
                f"grouped with k {self.k} needs two groups in a batch of {around.batch_size} to be measured online;"
                f" use k up to {around.batch_size // 2}, or measure: {{online: null}}."
            )
        if around.probe_examples and around.probe_examples < 2 * self.k:
            raise ValueError(f"grouped with k {self.k} needs a probe of at least {2 * self.k} examples.")


class EvalMode(Choice):
    """One example is one unit, in evaluation mode: running statistics in batch normalisation, no dropout.

    A different function from the one that is trained; inflated where the running statistics lag the weights.
    """

    name: Literal["eval-mode"]


ESTIMATORS: dict[str, Entry] = {
    "example": Entry(Example, "trainables.example_units:example", "one example, in the training pass"),
    "grouped": Entry(Grouped, "trainables.passes:grouped", "mean of k examples, in training mode; for batch norm"),
    "eval-mode": Entry(
        EvalMode, "trainables.example_units:eval_mode", "one example, in evaluation mode; for batch norm"
    ),
}
