"""Subsets of a training split that keep the shares of its classes; a smaller one begins a larger one."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from trainables.datasets.arrays import Arrays
from trainables.seeding import uniforms


def first_examples(arrays: Arrays, count: int | None) -> Arrays:
    """The first `count` training examples in stratified order; None leaves everything as it is.

    The test split is kept. The order depends on the labels alone, on neither the trial nor its seed.
    """
    if count is None:
        return arrays
    kept = stratified_order(arrays.train_y)[:count]
    return replace(arrays, train_x=arrays.train_x[kept], train_y=arrays.train_y[kept])


def stratified_order(labels: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """A fixed order of the examples in which every beginning holds the classes in about their shares.

    Within a class: ascending u_i of a fixed stream. The r-th (from 0) of a class with m members stands at r / m
    of the order, ties again by u_i: classes of equal size take turns.
    """
    u = uniforms(0, "dataset/subset", np.arange(len(labels)))
    place = np.empty(len(labels))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        place[members[np.argsort(u[members], kind="stable")]] = np.arange(len(members)) / len(members)
    return np.lexsort((u, place))
