"""A curve in one line of characters."""

import math
from collections.abc import Sequence
from itertools import pairwise

BLOCKS = "▁▂▃▄▅▆▇█"
PLAIN = "_.-=+*#@"


def spark(values: Sequence[float], width: int, *, plain: bool = False, log: bool = True) -> str:
    """The last of the values at the right end, from the lowest to the highest of them; means over equal stretches
    where there are more than `width`. log: on a logarithmic scale, where all are above zero. What is undefined is a
    space. plain: without characters beyond ASCII."""
    signs = PLAIN if plain else BLOCKS
    points = _thinned(values, width)
    known = [point for point in points if math.isfinite(point)]
    if not known:
        return ""
    scale = math.log if log and min(known) > 0 else float
    low, high = scale(min(known)), scale(max(known))
    return "".join(_sign(scale(p), low, high, signs) if math.isfinite(p) else " " for p in points)


def _sign(value: float, low: float, high: float, signs: str) -> str:
    if high - low <= 1e-12 * max(abs(low), abs(high), 1e-300):
        return signs[len(signs) // 2]
    return signs[min(len(signs) - 1, int((value - low) / (high - low) * len(signs)))]


def _thinned(values: Sequence[float], width: int) -> list[float]:
    if len(values) <= width:
        return list(values)
    bounds = [round(len(values) * k / width) for k in range(width + 1)]
    found = []
    for start, stop in pairwise(bounds):
        known = [value for value in values[start:stop] if math.isfinite(value)]
        found.append(sum(known) / len(known) if known else math.nan)
    return found
