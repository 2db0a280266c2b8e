"""Calling compiled kernels on tensors: which tensors they take, and examples shared out among torch's threads.

A kernel adds its examples to a sum of its own; sums of several threads are added in order, so that a result depends
on the number of threads and on nothing else. numba is imported when the first kernel is called.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib import import_module
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainables.gradients.tiling import Tiling

LEAST = 8
"""Examples that a thread is given at least."""


def takes(x: Tensor) -> bool:
    """Whether compiled kernels take this tensor: on the host, in single or double precision."""
    return x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64)


@cache
def kernel(module: str, name: str) -> Callable[..., Any]:
    """A kernel of one of the modules of compiled loops, or what makes one."""
    found: Callable[..., Any] = getattr(import_module(f"trainables.gradients.{module}"), name)
    return found


def parts(size: int) -> list[slice]:
    """Consecutive slices of `size` examples, one for each of torch's threads, of at least LEAST examples."""
    count = max(1, min(torch.get_num_threads(), size // LEAST))
    bounds = [size * k // count for k in range(count + 1)]
    return [slice(a, b) for a, b in pairwise(bounds)]


def shared_out(work: Callable[[slice], Any], size: int) -> list[Any]:
    """Results of `work` on the parts of `size` examples, in order."""
    pieces = parts(size)
    if len(pieces) == 1:
        return [work(pieces[0])]
    with ThreadPoolExecutor(len(pieces)) as pool:
        return list(pool.map(work, pieces))


def number(x: Tensor) -> np.dtype:
    """numpy's name of a tensor's type."""
    return np.dtype(str(x.dtype).removeprefix("torch."))


def summed(name: str, x: Tensor, d: Tensor, constants: tuple[Any, ...], tiling: Tiling) -> tuple[Tensor, Tensor]:
    """Squared norm of each example's gradient [N], float64, and the sum of the gradients, [O, J].

    name: of a kernel of `tap_rows`; it is called as run(x, d, *constants, heads, keep, total, norms).
    """
    run = kernel("tap_rows", name)(tiling.lines, tiling.taps, tiling.width)
    left, right = _array(x), _array(d)
    norms = torch.empty(len(x), dtype=torch.float64)

    def work(part: slice) -> Tensor:
        total = torch.zeros(tiling.shape, dtype=x.dtype)
        arrays = (tiling.heads, tiling.keep, total.numpy(), norms.numpy()[part])
        run(left[part], right[part], *constants, *arrays)
        return total

    totals = shared_out(work, len(x))
    for other in totals[1:]:
        totals[0] += other
    return norms, _gathered(totals[0], tiling)


def _gathered(total: Tensor, tiling: Tiling) -> Tensor:
    """Rows [O, J] from tiles."""
    columns = total.view(len(total), -1, tiling.width).transpose(1, 2)
    count = tiling.places.size
    columns = columns[:, :, slice(count) if tiling.straight == count else torch.from_numpy(tiling.places)]
    return columns.reshape(len(total) * tiling.width, -1)[: tiling.outputs]


def formed(name: str, x: Tensor, d: Tensor, constants: tuple[Any, ...], tiling: Tiling) -> Tensor:
    """Each example's gradient, [N, O, J]. name: as for `summed`; run(x, d, *constants, heads, keep, places, straight,
    rows).
    """
    run = kernel("tap_rows", name)(tiling.lines, tiling.taps, tiling.width)
    left, right = _array(x), _array(d)
    rows = torch.empty(len(x), tiling.outputs, tiling.places.size, dtype=x.dtype)

    def work(part: slice) -> None:
        arrays = (tiling.heads, tiling.keep, tiling.places, tiling.straight, rows.numpy()[part])
        run(left[part], right[part], *constants, *arrays)

    shared_out(work, len(x))
    return rows


def each(run: Callable[..., None], x: Tensor, d: Tensor, constants: tuple[Any, ...], size: int) -> tuple[Tensor, ...]:
    """Two vectors of `size` for each example, [N, size] both: a kernel called as run(x, d, *constants, one, other)."""
    left, right = _array(x), _array(d)
    found = torch.empty(2, len(x), size, dtype=x.dtype)

    def work(part: slice) -> None:
        run(left[part], right[part], *constants, found[0].numpy()[part], found[1].numpy()[part])

    shared_out(work, len(x))
    return found[0], found[1]


def outer_norms(x: Tensor, d: Tensor) -> tuple[Tensor, Tensor]:
    """||d_i||^2 ||x_i||^2 and ||d_i||^2 of x [N, I] and d [N, O]: [N] both, float64. Too short to be shared out."""
    found = torch.empty(2, x.shape[0], dtype=torch.float64)
    kernel("accumulate", "outer_norms")(_array(x), _array(d), found.numpy())
    weight, bias = found.unbind()
    return weight, bias


def _array(x: Tensor) -> Any:
    """A tensor's own memory where it is contiguous."""
    return (x if x.is_contiguous() else x.contiguous()).detach().numpy()
