"""Dot products of a few long vectors with one another, in float64 whatever their type."""

import torch
from torch import Tensor

from trainables.gradients import compiled

COLUMNS = 8192
"""Coordinates that are multiplied at a time: those of twenty vectors fit the second-level cache of a core."""

LEAST = 256
"""Coordinates for which a compiled loop is called."""


def gram(vectors: Tensor) -> Tensor:
    """v_c . v_d of the rows of a contiguous matrix [C, P], in single or double precision: [C, C], float64."""
    count, size = vectors.shape
    loops = size >= LEAST and compiled.takes(vectors)
    side = -count % 4 + count if loops else count
    found = torch.zeros(side, side, dtype=torch.float64, device=vectors.device)
    if loops:
        compiled.kernel("tiles", "add_dots")(vectors.detach().numpy(), COLUMNS, found.numpy())
    else:
        for start in range(0, size, COLUMNS):
            block = vectors[:, start : start + COLUMNS].double()
            found.addmm_(block, block.t())
    lower = found[:count, :count].tril()
    return lower + lower.tril(-1).t()
