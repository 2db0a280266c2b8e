"""Which examples are easy and which are hard, by the loss after a short training.

Zielinski et al. (2020) sort by right and wrong after two epochs; ranks within a class keep both sides of one size and
balanced.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trainables.beginnings import Difficulty
from trainables.seeding import uniforms

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Sides:
    """Training indices, ascending: what a trial trains on, and the held-out part of either side."""

    train: Indices
    easy: Indices
    hard: Indices


def class_ranks(values: npt.NDArray[np.float64], labels: Indices) -> npt.NDArray[np.float64]:
    """(r + 1/2) / n_c of each example, r = 0, 1, ... its rank by value (ties by index) among the n_c of its class."""
    ranks = np.empty(len(values))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        order = members[np.argsort(values[members], kind="stable")]
        ranks[order] = (np.arange(len(members)) + 0.5) / len(members)
    return ranks


def divide(choice: Difficulty, losses: npt.NDArray[np.float64], labels: Indices, seed: int) -> Sides:
    """The sides of a training set by the losses [n] after sorting training and the original labels [n]."""
    kept, held = choice.sizes(len(losses))
    order = np.argsort(class_ranks(losses, labels), kind="stable")
    sides = {"easy": order[: kept + held], "hard": order[len(order) - kept - held :]}
    u = uniforms(seed, "difficulty/held-out", np.arange(len(losses)))
    dealt = {name: _shuffled(members, labels, u) for name, members in sides.items()}
    if choice.side == "mixed":
        half = kept // 2
        train = np.concatenate([dealt["easy"][held : held + kept - half], dealt["hard"][held : held + half]])
    else:
        train = dealt[choice.side][held:]
    return Sides(np.sort(train), np.sort(dealt["easy"][:held]), np.sort(dealt["hard"][:held]))


def _shuffled(members: Indices, labels: Indices, u: npt.NDArray[np.float64]) -> Indices:
    """Members in a random order in which every beginning is balanced over classes."""
    return members[np.argsort(class_ranks(u[members], labels[members]), kind="stable")]
