"""Dot products of a few long vectors with one another, in float64 whatever their type."""

from collections.abc import Sequence

import torch
from torch import Tensor

from trainables.gradients import compiled

COLUMNS = 8192
"""Coordinates that are multiplied at a time: those of twenty vectors fit the second-level cache of a core."""

LEAST = 256
"""Coordinates for which a compiled loop is called."""


def gram(vectors: Sequence[Tensor]) -> Tensor:
    """v_c . v_d of vectors of one length, in single or double precision: [C, C], float64, on their device."""
    size, count = len(vectors[0]), len(vectors)
    loops = size >= LEAST and all(compiled.takes(each) for each in vectors)
    side = -count % 4 + count if loops else count
    found = torch.zeros(side, side, dtype=torch.float64, device=vectors[0].device)
    for start in range(0, size, COLUMNS):
        block = torch.stack([each[start : start + COLUMNS] for each in vectors])
        if loops:
            compiled.kernel("tiles", "add_dots")(block.detach().numpy(), found.numpy())
        else:
            found.addmm_(block.double(), block.double().t())
    lower = found[:count, :count].tril()
    return lower + lower.tril(-1).t()
