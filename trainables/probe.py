"""Statistics at frozen weights over a fixed sample of the training set, with its given labels and fixed inputs.

Every (group, block) cell of the sample gets its own sum of gradients S_c, and all that `layers` reports follows from
the cells' Gram matrix G_cd = S_c . S_d of each layer, in float64: ||S||^2 of any union of cells, dots between groups,
and the delete-a-block jackknife error of the unbiased alpha. A cell that one pass covers keeps what the pass left, in
the gradients' own type; one of several passes is added up in float64. Memory is (groups x BLOCKS) x parameters,
whatever the sample size. Instruments read the same pass.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from torch import Tensor

from trainables.cells import Cells
from trainables.estimators import alpha_unbiased_of_one, jackknife_error
from trainables.gradients.types import Statistics
from trainables.inputs import Inputs
from trainables.measures import Columns, columns
from trainables.passes import Keep, Sums, Units
from trainables.sample import Cell

Array = npt.NDArray


@dataclass
class LayerSums:
    """Of one layer over C cells: gram [C, C], q and q4 [C], n [C], block [C]; k examples a unit."""

    gram: Array
    q: Array
    q4: Array
    n: Array
    block: Array
    k: int

    def statistics(self, members: Array) -> Statistics:
        """Statistics of a union of cells."""
        s2 = self.gram[np.ix_(members, members)].sum()
        n, q, q4 = self.n[members].sum(), self.q[members].sum(), self.q4[members].sum()
        return Statistics(int(n), float(q), float(s2), float(q4), self.k)

    def error(self, members: Array) -> float | None:
        """Jackknife error of the unbiased alpha of a union of cells; None when a part of it is undefined."""
        block = self.block[members]
        left = (block != np.unique(block)[:, None]).astype(float)  # [deleted block, cell]
        s2 = ((left @ self.gram[np.ix_(members, members)]) * left).sum(axis=1)
        n, q = left @ self.n[members], left @ self.q[members]
        values = [
            alpha_unbiased_of_one(int(number), own, square, self.k)
            for number, own, square in zip(n.tolist(), q.tolist(), s2.tolist(), strict=True)
        ]
        return None if None in values else jackknife_error([value for value in values if value is not None])


@dataclass
class Sample:
    """What one pass over the sample left: sums by layer and `*`, and over the whole sample what was to be kept.

    names: the group of each cell.
    """

    layers: dict[str, LayerSums]
    names: npt.NDArray[np.str_]
    whole: Sums

    def members(self, group: str) -> Array:
        """Cells of a group; `all` are the mixed ones where there are any, else every cell."""
        if group == "all" and "all" not in self.names:
            return np.arange(len(self.names))
        return np.flatnonzero(self.names == group)


def measure_sample(units: Units, x: Inputs, y: Tensor, cells: Sequence[Cell], keep: Keep) -> Sample:
    """One pass over the cells. x, y: the whole training set on the device."""
    taken, whole = [], Sums()
    names = np.array([cell.group for cell in cells])
    kept = Cells(len(cells), units.memory)
    with units.mode():
        each = units.cells(x, y, [cell.indices for cell in cells], keep, kept.put)
        for cell, found in zip(cells, each, strict=True):
            taken.append((found.n, found.q, found.q4))
            if cell.group == "all" or "all" not in names:
                whole.add(found if keep.total else replace(found, total={}))
    n, block = np.array([number for number, *_ in taken]), np.array([cell.block for cell in cells])

    def layer(name: str, dots: Array) -> LayerSums:
        q, q4 = np.array([own[name] for _, own, _ in taken]), np.array([fourth[name] for *_, fourth in taken])
        return LayerSums(dots, q, q4, n, block, units.k)

    layers = {part.name: layer(part.name, kept.gram(part.tensors)) for part in units.parts}
    kept.release()
    everything = np.sum([each.gram for each in layers.values()], axis=0)
    return Sample({**layers, "*": layer("*", everything)}, names, whole)


def probe_rows(units: Units, sample: Sample, groups: Collection[str]) -> list[Columns]:
    """Rows of `layers` (without step and source) for group `all` and each of `groups`, per layer and for `*`."""
    parameters = {part.name: part.parameters for part in units.parts}
    parameters["*"] = sum(parameters.values())
    everything = sample.members("all")
    rows: list[Columns] = []
    for group in ("all", *groups):
        members = sample.members(group)
        for index, (layer, sums) in enumerate(sample.layers.items()):
            rows.append(
                {
                    "estimator": units.estimator,
                    "group": group,
                    "layer": layer,
                    "layer_index": -1 if layer == "*" else index,
                    "k": units.k,
                    "parameters": parameters[layer],
                    "s_dot_total": float(sums.gram[np.ix_(members, everything)].sum()),
                    **columns(sums.statistics(members)),
                    "alpha_error": sums.error(members),
                }
            )
    return rows
