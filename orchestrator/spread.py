"""Intervals of estimates: how far a ratio of taken to expected may be off, from those seen so far."""

from collections.abc import Sequence
from math import exp, inf, log, pi, sqrt, tan
from statistics import mean, stdev

ONE_SEEN = 2.0
"""A single ratio says nothing of its spread: a factor of two."""

_NORMAL = 1.2815515655446004
"""90 % quantile of the standard normal distribution."""


def quantile_t(freedom: int) -> float:
    """90 % quantile of Student's t: exact for 1 and 2 degrees of freedom, else within 0.2 % by the expansion of
    Cornish and Fisher (Abramowitz and Stegun 26.7.5)."""
    if freedom < 1:
        return inf
    if freedom == 1:
        return tan(pi * 0.4)
    if freedom == 2:
        return 0.8 / sqrt(2 * 0.9 * 0.1)
    z, n = _NORMAL, freedom
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return z + sum(term / n**power for power, term in enumerate(terms, start=1))


def factor(ratios: Sequence[float], ahead: float = 1.0) -> float:
    """f such that the mean ratio of the `ahead` next ones lies within a factor f of that of these, 10-90 %.

    A t interval of prediction on logarithms: exp(t s sqrt(1/ahead + 1/n)), s the standard deviation of the
    logarithms. All ratios positive. One ratio gives ONE_SEEN; none is an error.
    """
    if len(ratios) == 1:
        return ONE_SEEN
    logs = [log(ratio) for ratio in ratios]
    return exp(quantile_t(len(logs) - 1) * stdev(logs) * sqrt(1 / ahead + 1 / len(logs)))


def centre(ratios: Sequence[float]) -> float:
    """Geometric mean."""
    return exp(mean(log(ratio) for ratio in ratios))
