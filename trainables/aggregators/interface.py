"""What every aggregator is: a pure pair (init, update); state goes in and comes out.

`update` receives what the aggregator declared it needs: the mean gradient (a Direction) for `nothing`
and `history`, Groups for `groups`, a RowStream for `rows`, Examples for `norms`. It returns None while it idles.
"""

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

from torch import Tensor

from trainables.gradients.types import Direction, Examples, Groups, RowStream

State = dict[str, Tensor]
"""Tensors by name: all that a bit-exact resume of the aggregator needs."""

Given = TypeVar("Given", Direction, Groups, RowStream, Examples)


class Aggregator(ABC, Generic[Given]):
    """Turns the gradients of a step into one direction of descent.

    decay_first: weight decay enters the batch gradient before `update`, instead of the direction after it;
    only for what needs the mean gradient.
    """

    decay_first: bool = False

    def init(self) -> State:
        """State before the first step."""
        return {}

    @abstractmethod
    def update(self, given: Given, state: State) -> tuple[Direction | None, State]:
        """The direction of this step, or None while idling, and the next state."""
