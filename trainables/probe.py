"""Statistics at frozen weights over a fixed sample of the training set, with its given labels.

The sample depends on the seed alone. It is dealt into BLOCKS random blocks; every (group, block) cell gets
its own sum of gradients S_c in float64, and all that is reported follows from the cells' Gram matrix
G_cd = S_c . S_d of each layer: ||S||^2 of any union of cells, dots between groups, and the delete-a-block
jackknife error of the unbiased alpha. Memory is (groups x BLOCKS) x parameters, whatever the sample size.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from trainables.estimators import alpha_unbiased, jackknife_error
from trainables.gradients.engine import Engine
from trainables.gradients.types import Statistics
from trainables.inputs import Inputs
from trainables.measures import Columns, columns
from trainables.seeding import stream

BLOCKS = 10
CHUNK = 512
"""Examples of one forward and backward pass."""

Array = npt.NDArray


def probe_sample(seed: int, size: int, examples: int) -> npt.NDArray[np.int64]:
    """`examples` training indices in random order, without replacement; smaller samples begin larger ones."""
    return stream(seed, "probe").permutation(size)[:examples]


@dataclass(frozen=True)
class Cell:
    """One (group, block) part of the sample: positions in the training set."""

    group: str
    block: int
    indices: npt.NDArray[np.int64]


def deal(sample: npt.NDArray[np.int64], corrupt: npt.NDArray[np.bool_]) -> list[Cell]:
    """Cells of a sample in random order: block by position, group by whether the label is corrupt."""
    blocks = np.arange(len(sample)) * BLOCKS // max(len(sample), 1)
    cells = []
    for group, member in (("pristine", ~corrupt[sample]), ("corrupt", corrupt[sample])):
        for block in range(BLOCKS):
            indices = sample[member & (blocks == block)]
            if indices.size:
                cells.append(Cell(group, block, indices))
    return cells


@dataclass
class _Sums:
    """Of one layer over C cells: gram [C, C], q and q4 [C], n [C], block [C]."""

    gram: Array
    q: Array
    q4: Array
    n: Array
    block: Array

    def statistics(self, members: Array) -> Statistics:
        """Statistics of a union of cells."""
        s2 = self.gram[np.ix_(members, members)].sum()
        return Statistics(
            int(self.n[members].sum()), float(self.q[members].sum()), float(s2), float(self.q4[members].sum())
        )

    def error(self, members: Array) -> float | None:
        """Jackknife error of the unbiased alpha of a union of cells; None when a part of it is undefined."""
        values = []
        for block in np.unique(self.block[members]):
            found = self.statistics(members[self.block[members] != block])
            value = alpha_unbiased(found.n, found.q, found.s2)
            if value is None:
                return None
            values.append(value)
        return jackknife_error(values)


class Probe:
    """Measures a model on its sample; changes nothing: not the weights, not a stream, not the training mode.

    x, y: the whole training set on the device; loss: outputs and labels to losses [N].
    """

    def __init__(
        self, engine: Engine, model: nn.Module, loss: Callable[[Tensor, Tensor], Tensor], x: Inputs, y: Tensor
    ) -> None:
        self._engine, self._model, self._loss, self._x, self._y = engine, model, loss, x, y

    def rows(self, cells: list[Cell], groups: tuple[str, ...]) -> list[Columns]:
        """Rows of `layers` (without step) for group `all` and each of `groups`, per layer and for `*`."""
        layers = self._measure(cells)
        names = np.array([cell.group for cell in cells])
        everything = np.arange(len(cells))
        rows: list[Columns] = []
        for group in ("all", *groups):
            members = everything if group == "all" else np.flatnonzero(names == group)
            for index, (layer, sums) in enumerate(layers.items()):
                dot = float(sums.gram[members].sum())
                rows.append(
                    {
                        "source": "probe",
                        "estimator": "example",
                        "group": group,
                        "layer": layer,
                        "layer_index": -1 if layer == "*" else index,
                        "k": 1,
                        "parameters": self._parameters(layer),
                        "s_dot_total": dot,
                        **columns(sums.statistics(members)),
                        "alpha_error": sums.error(members),
                    }
                )
        return rows

    def _parameters(self, layer: str) -> int:
        return sum(each.parameters for each in self._engine.layers if layer in ("*", each.name))

    def _measure(self, cells: list[Cell]) -> dict[str, _Sums]:
        layers = [layer.name for layer in self._engine.layers]
        q = {name: np.zeros(len(cells)) for name in (*layers, "*")}
        q4 = {name: np.zeros(len(cells)) for name in (*layers, "*")}
        sums: dict[str, list[Tensor]] = {name: [] for name in layers}
        for c, cell in enumerate(cells):
            total = self._cell(cell, c, q, q4)
            for layer in self._engine.layers:
                parts = [total[layer.parameter(tensor)].reshape(-1) for tensor in layer.tensors]
                sums[layer.name].append(torch.cat(parts))
        n = np.array([cell.indices.size for cell in cells])
        block = np.array([cell.block for cell in cells])
        found = {}
        for name in layers:
            stacked = torch.stack(sums.pop(name))
            found[name] = _Sums((stacked @ stacked.t()).cpu().numpy(), q[name], q4[name], n, block)
        gram = np.sum([each.gram for each in found.values()], axis=0)
        return {**found, "*": _Sums(gram, q["*"], q4["*"], n, block)}

    def _cell(self, cell: Cell, c: int, q: dict[str, Array], q4: dict[str, Array]) -> dict[str, Tensor]:
        """Sum of the gradients of a cell per parameter, in float64; its q and q4 are added in place."""
        total: dict[str, Tensor] = {}
        for start in range(0, cell.indices.size, CHUNK):
            index = torch.from_numpy(cell.indices[start : start + CHUNK]).to(self._x.device)
            with self._engine.recording() as record:
                losses = self._loss(self._model(self._x[index]), self._y[index])
            mean = record.differentiate(losses, mean_gradient=True)
            assert mean is not None
            for name, gradient in mean.tensors.items():
                part = gradient.double() * len(index)
                total[name] = total[name] + part if name in total else part
            whole = torch.zeros(len(index), dtype=torch.float64, device=self._x.device)
            for layer, norms in record.square_norms().items():
                own = torch.stack(list(norms.values())).sum(dim=0)
                q[layer][c] += float(own.sum())
                q4[layer][c] += float(own.dot(own))
                whole = whole + own
            q["*"][c] += float(whole.sum())
            q4["*"][c] += float(whole.dot(whole))
        return total
