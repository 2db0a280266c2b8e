"""A metric: one number, a function of the sufficient statistics alone; the smallest kind of instrument."""

from collections.abc import Callable
from functools import wraps
from math import isfinite

from trainables.instruments.interface import Reading, State, Statistics, undefined
from trainables.registry import Choice

Measure = Callable[[Choice, Statistics, State], tuple[list[Reading], State]]


def metric(quantity: str) -> Callable[[Callable[[Statistics], float | None]], Measure]:
    """Makes an instrument with facts `statistics` of a function (n, Q, ||S||^2, sum ||g||^4; k) -> value.

    None, a division by zero and what is not finite are undefined.
    """

    def made(value_of: Callable[[Statistics], float | None]) -> Measure:
        @wraps(value_of)
        def measure(choice: Choice, given: Statistics, state: State) -> tuple[list[Reading], State]:
            del choice
            try:
                value = value_of(given)
            except ZeroDivisionError:
                value = None
            if value is None or not isfinite(value):
                return [undefined(quantity, "not defined by these statistics", n=given.n)], state
            return [Reading(quantity, float(value), n=given.n)], state

        return measure

    return made
