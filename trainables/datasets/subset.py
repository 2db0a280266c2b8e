"""Subsets of a training split: classes, their sizes, a number of examples; a smaller one begins a larger one."""

import numpy as np
import numpy.typing as npt

from trainables.datasets.arrays import Arrays, taken
from trainables.datasets.images import Images, Subset, kept_classes, kept_of_class
from trainables.datasets.resize import resized
from trainables.seeding import uniforms

Labels = npt.NDArray[np.int64]


def arranged(arrays: Arrays, choice: Images) -> Arrays:
    """The subset that the choice describes, at the size it describes."""
    return resized(subset(arrays, choice), choice.resize)


def subset(arrays: Arrays, choice: Subset) -> Arrays:
    """The arrays themselves where all is kept; else copies. The choice never depends on the trial or its seed.

    The test split loses the classes that are not kept and nothing else.
    """
    whole = choice.whole()
    labels, sizes = kept_classes(choice, whole), kept_of_class(choice, whole)
    if len(labels) == whole.classes and sum(sizes) == whole.train and choice.train_examples is None:
        return arrays
    train = _training(arrays.train_y, labels, sizes, choice.train_examples)
    test = np.flatnonzero(np.isin(arrays.test_y, labels))
    return Arrays(
        train_x=taken(arrays.train_x, train),
        train_y=np.searchsorted(labels, arrays.train_y[train]),
        test_x=taken(arrays.test_x, test),
        test_y=np.searchsorted(labels, arrays.test_y[test]),
    )


def _training(given: Labels, labels: tuple[int, ...], sizes: tuple[int, ...], count: int | None) -> Labels:
    """Positions of the kept examples: of each class the first by u_i; in their old order, or with a count in
    stratified order."""
    u = uniforms(0, "dataset/subset", np.arange(len(given)))
    kept = []
    for label, size in zip(labels, sizes, strict=True):
        members = np.flatnonzero(given == label)
        kept.append(members[np.argsort(u[members], kind="stable")[:size]])
    positions = np.sort(np.concatenate(kept))
    return positions if count is None else positions[stratified_order(given[positions], u[positions])[:count]]


def stratified_order(labels: Labels, u: npt.NDArray[np.float64]) -> Labels:
    """A fixed order of the examples in which every beginning holds the classes in about their shares.

    Within a class: ascending u_i. The r-th (from 0) of a class with m members stands at r / m of the order, ties
    again by u_i: classes of equal size take turns.
    """
    place = np.empty(len(labels))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        place[members[np.argsort(u[members], kind="stable")]] = np.arange(len(members)) / len(members)
    return np.lexsort((u, place))
