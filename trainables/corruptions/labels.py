"""Label corruptions by the nested rule: example i is selected iff u_i < fraction.

Draws are keyed by (seed, purpose, index), so that sets selected at a larger fraction contain those of
a smaller one, and every trial of a seed corrupts alike.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trainables.corruptions import NoCorruption, PermutedLabels, UniformLabels
from trainables.seeding import uniforms

Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Corrupted:
    """given: the labels to train on; selected: drawn by the corruption, whether or not the label changed."""

    given: Labels
    selected: npt.NDArray[np.bool_]


def _selection(seed: int, size: int, fraction: float) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    u = uniforms(seed, "corruption/select", np.arange(size))
    return u, u < fraction


def keep(choice: NoCorruption, labels: Labels, classes: int, seed: int) -> Corrupted:
    """Original labels; nothing selected."""
    del choice, classes, seed
    return Corrupted(labels.copy(), np.zeros(len(labels), dtype=bool))


def redraw(choice: UniformLabels, labels: Labels, classes: int, seed: int) -> Corrupted:
    """Selected examples get floor(classes v_i), v_i uniform: the original label with probability 1/classes."""
    _, selected = _selection(seed, len(labels), choice.fraction)
    drawn = np.floor(uniforms(seed, "corruption/redraw", np.arange(len(labels))) * classes).astype(np.int64)
    return Corrupted(np.where(selected, drawn, labels), selected)


def permute(choice: PermutedLabels, labels: Labels, classes: int, seed: int) -> Corrupted:
    """A uniform permutation of labels among the selected, by inside-out Fisher-Yates in ascending u_i.

    The n-th selected example swaps labels with a position drawn uniformly from 0..n; a larger fraction
    goes on where a smaller one ended.
    """
    del classes
    u, selected = _selection(seed, len(labels), choice.fraction)
    members = np.flatnonzero(selected)
    members = members[np.argsort(u[members], kind="stable")]
    draws = uniforms(seed, "corruption/permute", np.arange(len(labels)))
    given = labels.copy()
    for n, i in enumerate(members):
        j = members[int(draws[i] * (n + 1))]
        given[i], given[j] = given[j], given[i]
    return Corrupted(given, selected)
