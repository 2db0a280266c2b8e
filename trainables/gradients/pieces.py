"""Rows of layers with positions, formed a few output channels at a time when they are too many to hold at once.

With T positions an example, row i of the weight is D_i^T X_i: D_i [T, O] output gradients, X_i [T, I] inputs or, of a
convolution, patches of them. A piece takes some columns of all D_i. Patches are held while they are few and taken anew
for each piece otherwise; a compiled kernel needs none (`tap_rows`).
"""

from collections.abc import Callable

import torch
from torch import Tensor

from trainables.gradients.convolution import Geometry, chosen, chunks, formed, taken_patches, weight_rows
from trainables.gradients.types import PIECE_BYTES, DenseRows, FormedRows, Rows, outputs_at_a_time

LEAST, TILE = 5, 8
"""Outputs that are worth a tile; and of the smallest tile."""

HELD_BYTES = 16 * 2**20
"""Patches that are held while the pieces of a layer are formed."""


def linear_rows(x: Tensor, d: Tensor) -> Rows:
    """Rows [N, O, I] of x [N, ..., I] and d [N, ..., O] with positions."""
    x, d = x.flatten(1, -2), d.flatten(1, -2).transpose(1, 2)
    step = outputs_at_a_time(x, len(x) * x.shape[2])
    return FormedRows(len(x), (d.shape[1], x.shape[2]), step, lambda part: torch.bmm(d[:, part], x))


def convolution_rows(geometry: Geometry, x: Tensor, d: Tensor, shape: torch.Size) -> Rows:
    """Rows [N, *shape] of a convolution with weights of this shape; x [N, C, H, W], d [N, O, H', W']."""
    taps = shape[1:].numel()
    if chosen(geometry, x, d) == "tiles":
        return _in_tiles(x, shape, lambda part: formed(geometry, x, d[:, part]).view(len(x), -1, *shape[1:]))
    if geometry.groups > 1 or len(x) * shape.numel() * x.element_size() <= PIECE_BYTES:
        whole = torch.cat([weight_rows(geometry, x[part], d[part]) for part in chunks(geometry, x, d)])
        return DenseRows(whole.view(-1, *shape))
    form = _from_held(geometry, x, d, shape)
    if len(x) * taps * d[0, 0].numel() * x.element_size() > HELD_BYTES:

        def form(part: slice) -> Tensor:
            each = [weight_rows(geometry, x[some], d[some, part]) for some in chunks(geometry, x, d)]
            return torch.cat(each).view(len(x), -1, *shape[1:])

    return FormedRows(len(x), tuple(shape), outputs_at_a_time(x, len(x) * taps), form)


def _from_held(geometry: Geometry, x: Tensor, d: Tensor, shape: torch.Size) -> Callable[[slice], Tensor]:
    held: list[Tensor] = []

    def form(part: slice) -> Tensor:
        if not held:
            held.append(taken_patches(geometry, x, (d.shape[2], d.shape[3])).transpose(1, 2))
        return torch.bmm(d[:, part].flatten(2), held[0]).view(len(x), -1, *shape[1:])

    return form


def _in_tiles(x: Tensor, shape: torch.Size, form: Callable[[slice], Tensor]) -> Rows:
    """All at once if they are few; else whole tiles of outputs."""
    if len(x) * shape.numel() * x.element_size() <= PIECE_BYTES:
        return DenseRows(form(slice(0, shape[0])))
    step = outputs_at_a_time(x, len(x) * shape[1:].numel())
    return FormedRows(len(x), tuple(shape), step if step < LEAST else -(-step // TILE) * TILE, form)
