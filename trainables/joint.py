"""Several small cells of a sample from one pass, whose sums are told apart while it runs."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from trainables.gradients.engine import Record
from trainables.gradients.streaming import Split


class Put(Protocol):
    """Takes sums of gradients of a cell."""

    def __call__(self, cell: int, total: Mapping[str, Tensor], scale: float, *, first: bool) -> None:
        """Add scale x total, by parameter name, to S of a cell; first: in the place of what was there."""


def packed(sizes: Sequence[int], limit: int) -> Iterator[slice]:
    """Consecutive slices of what has these sizes, as long as together they are within the limit; of one at least."""
    start, held = 0, 0
    for number, size in enumerate(sizes):
        if number > start and held + size > limit:
            yield slice(start, number)
            start, held = number, 0
        held += size
    if start < len(sizes):
        yield slice(start, len(sizes))


def norms_of(record: Record) -> dict[str, Tensor]:
    """||g_i||^2 per layer and, under `*`, of the whole network: [N], float64."""
    found = {layer: torch.stack(list(norms.values())).sum(dim=0) for layer, norms in record.square_norms().items()}
    return {**found, "*": torch.stack(list(found.values())).sum(dim=0)}


def split(record: Record, losses: Tensor, sizes: Sequence[int], put: Put) -> list[dict[str, Tensor]]:
    """Backpropagate the losses of several cells of these sizes, one after another; `norms_of` of each. put: takes the
    sums of each."""
    bounds = np.cumsum([0, *sizes]).tolist()
    slices = [slice(a, b) for a, b in pairwise(bounds)]
    record.differentiate_groups(losses, Split(slices, lambda number, sums: put(number, sums, 1.0, first=True)))
    norms = norms_of(record)
    return [{layer: own[part] for layer, own in norms.items()} for part in slices]
