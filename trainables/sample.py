"""The fixed sample that a probe measures, and how it is dealt into cells.

The sample depends on the seed alone. It is dealt into BLOCKS random blocks, for a jackknife error; a cell is what one
group of examples has in one block. Its order is random, so that neither blocks nor units know the classes.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trainables.seeding import stream

BLOCKS = 10

Indices = npt.NDArray[np.int64]


def probe_sample(seed: int, size: int, examples: int, skip: int = 0) -> Indices:
    """`examples` training indices in random order, without replacement; smaller samples begin larger ones. skip: the
    first of that order, which are left out."""
    return stream(seed, "probe").permutation(size)[skip : skip + examples]


@dataclass(frozen=True)
class Cell:
    """One (group, block) part of the sample: positions in the training set. Group `all` is of mixed units."""

    group: str
    block: int
    indices: Indices


def deal(sample: Indices, corrupt: npt.NDArray[np.bool_]) -> list[Cell]:
    """Cells of a sample in random order: block by position, group by whether the label is corrupt.

    With one example a unit, group `all` is the union of the two groups.
    """
    return _cells(sample, [("pristine", ~corrupt[sample]), ("corrupt", corrupt[sample])])


def deal_mixed(sample: Indices, corrupt: npt.NDArray[np.bool_]) -> list[Cell]:
    """The same for units of several examples: cells of `all`, whose units mix the groups as they come, beside those
    of each group. A unit of one group would hide from `all` how its two kinds of examples agree."""
    kinds = [("pristine", ~corrupt[sample]), ("corrupt", corrupt[sample])]
    return _cells(sample, [("all", np.ones(len(sample), dtype=bool)), *kinds])


def _cells(sample: Indices, kinds: list[tuple[str, npt.NDArray[np.bool_]]]) -> list[Cell]:
    blocks = np.arange(len(sample)) * BLOCKS // max(len(sample), 1)
    found = [(group, block, sample[member & (blocks == block)]) for group, member in kinds for block in range(BLOCKS)]
    return [Cell(group, block, indices) for group, block, indices in found if indices.size]
