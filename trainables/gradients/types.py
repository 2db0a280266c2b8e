"""Five things that are all made of gradients, and are not each other.

Letters: N examples (units) of a batch, G groups, O x I the shape of a weight seen as a matrix.
Rows are gradients of single examples and are never scaled by 1/N; a Direction is a mean.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor


@dataclass(frozen=True)
class Direction:
    """One tensor per parameter: a mean gradient, or what an aggregator made of several."""

    tensors: dict[str, Tensor]


@dataclass(frozen=True)
class GroupMeans:
    """The mean gradient of each of G disjoint groups of the batch."""

    means: tuple[Direction, ...]


class Rows(ABC):
    """The N per-example gradients of one parameter tensor."""

    @abstractmethod
    def dense(self) -> Tensor:
        """All rows, [N, *parameter shape]."""


@dataclass(frozen=True)
class DenseRows(Rows):
    """Rows held whole: values [N, *parameter shape]."""

    values: Tensor

    def dense(self) -> Tensor:
        """The rows themselves."""
        return self.values


@dataclass(frozen=True)
class OuterRows(Rows):
    """Rows in factored form: row i is the outer product of left[i] [O] and right[i] [I]."""

    left: Tensor
    right: Tensor

    def dense(self) -> Tensor:
        """The products, [N, O, I]."""
        return self.left.unsqueeze(2) * self.right.unsqueeze(1)


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
