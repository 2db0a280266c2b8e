"""Label corruptions by the nested rule: example i is selected iff u_i < fraction."""

from dataclasses import replace

import numpy as np

from trainables.corruptions import NoCorruption, PermutedLabels, UniformLabels
from trainables.corruptions.interface import Corrupted, selection
from trainables.datasets.arrays import Arrays
from trainables.seeding import uniforms


def keep(choice: NoCorruption, arrays: Arrays, classes: int, seed: int) -> Corrupted:
    """Everything as it was; nothing selected."""
    del choice, classes, seed
    return Corrupted(arrays, np.zeros(len(arrays.train_y), dtype=bool))


def redraw(choice: UniformLabels, arrays: Arrays, classes: int, seed: int) -> Corrupted:
    """Selected examples get floor(classes v_i), v_i uniform: the original label with probability 1/classes."""
    labels = arrays.train_y
    _, selected = selection(seed, len(labels), choice.fraction)
    drawn = np.floor(uniforms(seed, "corruption/redraw", np.arange(len(labels))) * classes).astype(np.int64)
    return Corrupted(replace(arrays, train_y=np.where(selected, drawn, labels)), selected)


def permute(choice: PermutedLabels, arrays: Arrays, classes: int, seed: int) -> Corrupted:
    """A uniform permutation of labels among the selected, by inside-out Fisher-Yates in ascending u_i.

    The n-th selected example swaps labels with a position drawn uniformly from 0..n; a larger fraction
    goes on where a smaller one ended.
    """
    del classes
    given = arrays.train_y.copy()
    u, selected = selection(seed, len(given), choice.fraction)
    members = np.flatnonzero(selected)
    members = members[np.argsort(u[members], kind="stable")]
    draws = uniforms(seed, "corruption/permute", np.arange(len(given)))
    for n, i in enumerate(members):
        j = members[int(draws[i] * (n + 1))]
        given[i], given[j] = given[j], given[i]
    return Corrupted(replace(arrays, train_y=given), selected)
