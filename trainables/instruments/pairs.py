"""Distinct pairs of a Gram matrix: what the instruments that look at pairs share."""

import numpy as np
import numpy.typing as npt

from trainables.instruments.interface import Array, Gram


def pair_values(matrix: Array) -> Array:
    """The entries above the diagonal, [m (m-1) / 2]."""
    return np.asarray(matrix[np.triu_indices(len(matrix), 1)])


def pair_cosines(given: Gram) -> Array:
    """Cosines of distinct pairs of examples that have a gradient."""
    norms = np.sqrt(np.diagonal(given.values))
    live = norms > 0
    unit = given.values[np.ix_(live, live)] / np.outer(norms[live], norms[live])
    return pair_values(unit)


def same_class(given: Gram) -> npt.NDArray[np.bool_]:
    """Whether the two examples of each distinct pair have one label, [m (m-1) / 2]."""
    same = given.labels[:, None] == given.labels[None, :]
    return np.asarray(same[np.triu_indices(len(same), 1)])
