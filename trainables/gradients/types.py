"""Five things that are all made of gradients, and are not each other.

Letters: N examples (units) of a batch, G groups, O x I the shape of a weight seen as a matrix.
Rows are gradients of single examples and are never scaled by 1/N; a Direction is a mean.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor


@dataclass(frozen=True)
class Direction:
    """One tensor per parameter: a mean gradient, or what an aggregator made of several."""

    tensors: dict[str, Tensor]


class Groups(ABC):
    """The mean gradient of each of G disjoint groups of the batch."""

    @abstractmethod
    def tensors(self) -> Iterator[tuple[str, Sequence[Tensor]]]:
        """(parameter name, its mean gradient in each group). Read a tensor before asking for the next."""


@dataclass(frozen=True)
class GroupMeans(Groups):
    """Mean gradients that are held whole."""

    means: tuple[Direction, ...]

    def tensors(self) -> Iterator[tuple[str, Sequence[Tensor]]]:
        """Parameter by parameter."""
        for name in self.means[0].tensors:
            yield name, [mean.tensors[name] for mean in self.means]


PIECE_BYTES = 4 * 2**20
"""Rows that exist at a time where they are formed piece by piece."""


class Rows(ABC):
    """The N per-example gradients of one parameter tensor."""

    @abstractmethod
    def __len__(self) -> int:
        """N."""

    @abstractmethod
    def dense(self) -> Tensor:
        """All rows, [N, *parameter shape]."""

    @abstractmethod
    def pieces(self) -> Iterator[Tensor]:
        """All rows, cut along the parameter's first axis: [N, n, *rest] each."""


@dataclass(frozen=True)
class DenseRows(Rows):
    """Rows held whole: values [N, *parameter shape]."""

    values: Tensor

    def __len__(self) -> int:
        """N."""
        return len(self.values)

    def dense(self) -> Tensor:
        """The rows themselves."""
        return self.values

    def pieces(self) -> Iterator[Tensor]:
        """In one piece."""
        yield self.values


@dataclass(frozen=True)
class OuterRows(Rows):
    """Rows in factored form: row i is the outer product of left[i] [O] and right[i] [I]."""

    left: Tensor
    right: Tensor

    def __len__(self) -> int:
        """N."""
        return len(self.left)

    def dense(self) -> Tensor:
        """The products, [N, O, I]."""
        return self.left.unsqueeze(2) * self.right.unsqueeze(1)

    def pieces(self) -> Iterator[Tensor]:
        """The products, a few outputs at a time."""
        for part in self.left.split(outputs_at_a_time(self.left, self.right.numel()), dim=1):
            yield part.unsqueeze(2) * self.right.unsqueeze(1)


@dataclass(frozen=True)
class FormedRows(Rows):
    """Rows of `count` examples, formed when they are looked at. shape: of the parameter; form: rows [N, n, *rest] of a
    slice of its first axis, of which `step` entries are asked for at a time."""

    count: int
    shape: tuple[int, ...]
    step: int
    form: Callable[[slice], Tensor]

    def __len__(self) -> int:
        """N."""
        return self.count

    def dense(self) -> Tensor:
        """All at once."""
        return self.form(slice(0, self.shape[0]))

    def pieces(self) -> Iterator[Tensor]:
        """`step` entries at a time."""
        for start in range(0, self.shape[0], self.step):
            yield self.form(slice(start, min(start + self.step, self.shape[0])))


def outputs_at_a_time(values: Tensor, each: int) -> int:
    """How many entries of the first axis, of `each` scalars in the type of `values`, make a piece of rows."""
    return max(1, PIECE_BYTES // (each * values.element_size()))


class Gradient(NamedTuple):
    """Of one layer, per tensor: the sum of the examples' gradients, in the parameter's shape, and their squared norms
    [N], float64; the norms are meant where they were asked for."""

    sums: dict[str, Tensor]
    square_norms: dict[str, Tensor]


RowStream = Iterator[tuple[str, Rows]]
"""(parameter name, its rows), one tensor at a time, so that no more than one layer's rows exist at once."""


class Examples(ABC):
    """The N examples of a batch through their whole gradients g_i: norms and weighted sums, no rows."""

    @abstractmethod
    def norms(self) -> Tensor:
        """||g_i|| over all parameters: [N], float64."""

    @abstractmethod
    def weighted_sum(self, weights: Tensor) -> Direction:
        """sum_i weights_i g_i, of weights [N]."""


@dataclass(frozen=True)
class Statistics:
    """Sufficient statistics of n units with gradients g_i, in float64.

    n: units; q: Q = sum ||g_i||^2; s2: ||S||^2 with S = sum g_i; q4: sum ||g_i||^4; k: examples whose mean gradient
    is one unit.
    """

    n: int
    q: float
    s2: float
    q4: float
    k: int = 1
