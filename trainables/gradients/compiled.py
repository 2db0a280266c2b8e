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

import torch
from torch import Tensor

LEAST = 8
"""Examples that a thread is given at least."""


def takes(x: Tensor) -> bool:
    """Whether compiled kernels take this tensor: on the host, in single or double precision."""
    return x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64)


@cache
def kernel(module: str, name: str) -> Callable[..., None]:
    """A kernel of one of the modules of compiled loops."""
    found: Callable[..., None] = getattr(import_module(f"trainables.gradients.{module}"), name)
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


def summed(
    run: Callable[..., None], x: Tensor, d: Tensor, constants: tuple[Any, ...], shape: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Squared norm of each example's gradient [N], float64, and the sum of the gradients in a matrix of `shape`.

    run: a kernel called as run(x, d, *constants, total, norms).
    """
    left, right = _array(x), _array(d)
    norms = torch.empty(len(x), dtype=torch.float64)

    def work(part: slice) -> Tensor:
        total = torch.zeros(shape, dtype=x.dtype)
        run(left[part], right[part], *constants, total.numpy(), norms.numpy()[part])
        return total

    totals = shared_out(work, len(x))
    for other in totals[1:]:
        totals[0] += other
    return norms, totals[0]


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
