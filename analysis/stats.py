"""Summaries over seeds. Arrays in, arrays out; nothing here knows tables.

How many seeds decide what may be shown: 1 is a line, 2 are lines and a range, from 3 a Student t
interval, from 10 a bootstrap interval. Undefined values are NaN in, and stay NaN where nothing is left.
"""

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["line", "range", "t", "bootstrap"]
Array = NDArray[np.float64]

CONFIDENCE = 0.95
MIN_T, MIN_BOOTSTRAP = 3, 10
RESAMPLES = 4000
KIND_WORDS = {
    "line": "one seed, no interval",
    "range": "range of two seeds",
    "t": "95 % t interval over seeds",
    "bootstrap": "95 % bootstrap interval over seeds",
}


@dataclass(frozen=True)
class Band:
    """Centre and interval along an axis of T positions, over S seeds.

    center, low, high: shape [T]; NaN where undefined.
    counts: shape [T], seeds that had a value.
    kind: by the number of seeds S.
    """

    center: Array
    low: Array
    high: Array
    counts: NDArray[np.int64]
    kind: Kind


def kind_of(seeds: int) -> Kind:
    """What `seeds` repetitions allow."""
    if seeds < 2:
        return "line"
    if seeds < MIN_T:
        return "range"
    return "t" if seeds < MIN_BOOTSTRAP else "bootstrap"


def band(values: Array, *, log: bool = False) -> Band:
    """Mean over axis 0 of `values` [S, T] and its interval, position by position.

    t: mean +- t(0.975, n-1) sd / sqrt(n), sd with n-1. bootstrap: 2.5 and 97.5 percentiles of the means of
    resampled seeds (fixed stream). range: smallest and largest. With `log` everything is done on the
    logarithm and taken back (a geometric mean); values <= 0 have no logarithm and count as undefined.
    Positions with fewer seeds than the rest fall back to what their own number allows.
    """
    values = np.array(values, dtype=np.float64, ndmin=2)
    if log:
        values = np.log(np.where(values > 0, values, np.nan))
    center, low, high = _columns(values)
    if log:
        center, low, high = np.exp(center), np.exp(low), np.exp(high)
    return Band(center, low, high, np.isfinite(values).sum(axis=0), kind_of(values.shape[0]))


def _columns(values: Array) -> tuple[Array, Array, Array]:
    """Centre, low and high of each column of [S, T]; columns without gaps that are bootstrapped go together."""
    whole = np.isfinite(values).all(axis=0)
    if kind_of(values.shape[0]) != "bootstrap" or not whole.any():
        columns = [_interval(column[np.isfinite(column)]) for column in values.T]
        center, low, high = (np.array([c[i] for c in columns], dtype=np.float64) for i in range(3))
        return center, low, high
    center, low, high = (np.full(values.shape[1], np.nan) for _ in range(3))
    low[whole], high[whole] = _bootstrap(values[:, whole])
    center[whole] = values[:, whole].mean(axis=0)
    for place in np.flatnonzero(~whole):
        center[place], low[place], high[place] = _interval(values[np.isfinite(values[:, place]), place])
    return center, low, high


def interval(values: Array) -> tuple[float, float, float]:
    """(centre, low, high) of one quantity over seeds; the two last are NaN for a single seed."""
    return _interval(np.asarray(values, dtype=np.float64))


def _interval(values: Array) -> tuple[float, float, float]:
    if values.size == 0:
        return np.nan, np.nan, np.nan
    center, kind = float(values.mean()), kind_of(values.size)
    if kind == "line":
        return center, np.nan, np.nan
    if kind == "range":
        return center, float(values.min()), float(values.max())
    if kind == "bootstrap":
        below, above = _bootstrap(values[:, None])
        return center, float(below[0]), float(above[0])
    low, high = _student(values)
    return center, low, high


def _student(values: Array) -> tuple[float, float]:
    from scipy.special import stdtrit

    half = float(stdtrit(values.size - 1, 0.5 + CONFIDENCE / 2) * values.std(ddof=1) / np.sqrt(values.size))
    return float(values.mean()) - half, float(values.mean()) + half


def _bootstrap(values: Array) -> tuple[Array, Array]:
    """Tails of the means of resampled seeds, for each column of [S, T]."""
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(_resampling(len(values)) @ values, [tail, 100 - tail], axis=0)
    return low, high


@cache
def _resampling(size: int) -> Array:
    """[RESAMPLES, size]: how much of each mean a seed is, the same picks wherever there are `size` seeds."""
    picks = np.random.default_rng(0).integers(size, size=(RESAMPLES, size))
    shares = np.zeros((RESAMPLES, size))
    np.add.at(shares, (np.arange(RESAMPLES)[:, None], picks), 1.0 / size)
    return shares
