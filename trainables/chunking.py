"""Passes over many examples in chunks that shrink when memory runs out; a training batch never does.

Sums do not depend on the chunks but for the order of additions: results agree to rounding.
"""

import gc
from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

Result = TypeVar("Result")

_NO_MEMORY = ("can't allocate memory", "not enough memory", "out of memory")
"""What torch's allocators say: the host's raises a plain RuntimeError."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory of the host or of the device ran out."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _NO_MEMORY)


class Chunks:
    """At most `size` examples at a time; halved, for good, whenever memory runs out."""

    def __init__(self, size: int) -> None:
        self.size = size

    def over(self, count: int, work: Callable[[slice], Result]) -> Iterator[Result]:
        """Results of `work` on consecutive slices of 0..count. `work` must add to nothing before it returns: it is
        called again on a shorter slice when memory runs out. One example that does not fit raises."""
        start = 0
        while start < count:
            part = slice(start, min(start + self.size, count))
            try:
                result = work(part)
            except (MemoryError, RuntimeError) as error:
                if self.size == 1 or not is_out_of_memory(error):
                    raise
                self.size = max(1, min(self.size, count) // 2)
                _free()
                continue
            start = part.stop
            yield result


def _free() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
