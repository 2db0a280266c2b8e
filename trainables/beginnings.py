"""What a trial starts from and what part of the training set it takes: initial weights, easy and hard examples.
Torch-free."""

from typing import Annotated, Literal

from pydantic import Field

from trainables.choosing import choice_type
from trainables.corruptions import CORRUPTIONS
from trainables.registry import Choice, Frozen, Integer, Real

Epochs = Annotated[Integer, Field(ge=1)]


class Pretrained(Choice):
    """Weights after `epochs` epochs of plain training (mean aggregator, constant rate, no augmentation) of the same
    model by the same optimizer on labels under `corruption`, in an order of their own; then the trial starts at step 0
    with a fresh optimizer. With all labels random: adversarial initialisation."""

    name: Literal["pretrained"]
    corruption: choice_type("corruption", CORRUPTIONS)  # type: ignore[valid-type]
    epochs: Epochs


class Difficulty(Frozen):
    """Train on the easy, on the hard, or on a mixed part of the training set.

    A fresh copy of the model is trained plainly for `sort_epochs` epochs on the whole training set. Within each class
    (original labels) examples are ranked by their loss then: the lowest `part` of all ranks are easy, the highest
    hard; of each side a random `held_out` of it is not trained on. `mixed` takes half of what either side trains on.
    Classes are balanced to within a few examples, all three sides have one size, and all trials of a seed, model and
    optimizer have one ranking.
    """

    side: Literal["easy", "hard", "mixed"]
    sort_epochs: Epochs = 1
    part: Annotated[Real, Field(gt=0.0, le=0.5)] = 1 / 3
    held_out: Annotated[Real, Field(gt=0.0, lt=1.0)] = 1 / 6

    def sizes(self, size: int) -> tuple[int, int]:
        """(trained on, held out) of a side, of `size` training examples: rounded down."""
        whole = int(self.part * size + 1e-9)
        held = int(self.held_out * whole + 1e-9)
        return whole - held, held
