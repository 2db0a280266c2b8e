"""Loss and accuracy on whole splits, and when each training example was learnt."""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import isfinite

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from trainables.inputs import Inputs
from trainables.losses.functions import predictions
from trainables.measures import Columns
from trainables.modes import evaluating

CHUNK = 1000
NEVER = -1

Array = npt.NDArray


@dataclass(frozen=True)
class Split:
    """Inputs, labels trained or tested on, and original labels, on the device."""

    x: Inputs
    given: Tensor
    original: Tensor


def forward(
    model: nn.Module, loss: Callable[[Tensor, Tensor], Tensor], split: Split
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Losses (float64) and predicted classes of every example, in evaluation mode, without gradients."""
    losses, classes = [], []
    with torch.no_grad(), evaluating(model):
        for start in range(0, len(split.x), CHUNK):
            outputs = model(split.x[start : start + CHUNK])
            losses.append(loss(outputs, split.given[start : start + CHUNK]).double())
            classes.append(predictions(outputs))
    return torch.cat(losses).cpu().numpy(), torch.cat(classes).cpu().numpy()


def split_row(
    name: str, losses: npt.NDArray[np.float64], right: npt.NDArray[np.bool_], original: npt.NDArray[np.bool_]
) -> Columns:
    """Row of `evals` (without step); null when the split has no examples."""
    count = len(losses)
    if count == 0:
        return {"split": name, "loss": None, "accuracy": None, "original_accuracy": None, "count": 0}
    return {
        "split": name,
        "loss": float(losses.mean()),
        "accuracy": float(right.mean()),
        "original_accuracy": float(original.mean()),
        "count": count,
    }


@dataclass
class Evaluator:
    """Evaluates train, test, pristine and corrupt, and keeps the first and the lasting learnt step of each example.

    positions: of the trained examples in the data set's training split; held_out: further splits by name.
    """

    model: nn.Module
    loss: Callable[[Tensor, Tensor], Tensor]
    train: Split
    test: Split
    positions: npt.NDArray[np.int64]
    held_out: dict[str, Split] = field(default_factory=dict)
    first_learnt: npt.NDArray[np.int64] = field(init=False)
    learnt_for_good: npt.NDArray[np.int64] = field(init=False)
    final_losses: npt.NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        size = len(self.train.x)
        self.first_learnt = np.full(size, NEVER)
        self.learnt_for_good = np.full(size, NEVER)
        self.final_losses = np.full(size, np.nan)

    def rows(self, step: int) -> list[Columns]:
        """Rows of `evals` at this step (without it)."""
        losses, classes = forward(self.model, self.loss, self.train)
        given, original = self.train.given.cpu().numpy(), self.train.original.cpu().numpy()
        right, proper = classes == given, classes == original
        self._learn(step, right)
        self.final_losses = losses
        test_losses, test_classes = forward(self.model, self.loss, self.test)
        test_right = test_classes == self.test.given.cpu().numpy()
        rows = [split_row("train", losses, right, proper), split_row("test", test_losses, test_right, test_right)]
        for name, member in (("pristine", given == original), ("corrupt", given != original)):
            rows.append(split_row(name, losses[member], right[member], proper[member]))
        return [*rows, *(self._held_out(name, split) for name, split in self.held_out.items())]

    def _held_out(self, name: str, split: Split) -> Columns:
        losses, classes = forward(self.model, self.loss, split)
        right, proper = ((classes == labels.cpu().numpy()) for labels in (split.given, split.original))
        return split_row(name, losses, right, proper)

    def _learn(self, step: int, right: npt.NDArray[np.bool_]) -> None:
        self.first_learnt[(self.first_learnt == NEVER) & right] = step
        self.learnt_for_good[(self.learnt_for_good == NEVER) & right] = step
        self.learnt_for_good[~right] = NEVER

    def example_rows(self, selected: npt.NDArray[np.bool_]) -> list[Columns]:
        """Rows of `examples`, after the last evaluation."""
        given, original = self.train.given.cpu().numpy(), self.train.original.cpu().numpy()
        return [
            {
                "index": int(self.positions[i]),
                "original_label": int(original[i]),
                "given_label": int(given[i]),
                "selected": bool(selected[i]),
                "corrupt": bool(given[i] != original[i]),
                "first_learnt": _step(self.first_learnt[i]),
                "learnt_for_good": _step(self.learnt_for_good[i]),
                "final_loss": float(self.final_losses[i]),
            }
            for i in range(len(given))
        ]

    def state(self) -> dict[str, Tensor]:
        """What a resume needs."""
        return {
            "first_learnt": torch.from_numpy(self.first_learnt.copy()),
            "learnt_for_good": torch.from_numpy(self.learnt_for_good.copy()),
        }

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Take back what `state` gave."""
        self.first_learnt = state["first_learnt"].numpy().copy()
        self.learnt_for_good = state["learnt_for_good"].numpy().copy()


def _step(value: np.int64) -> int | None:
    return None if value == NEVER else int(value)


def all_finite(rows: list[Columns]) -> bool:
    """Whether every loss in rows of `evals` is finite."""
    return all(row["loss"] is None or isfinite(float(row["loss"])) for row in rows)
