"""What the panels of a finished figure are called, as a reader finds it: on the panel, or where its row or column says
it once for all."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def title(axes: "Axes") -> str:
    """On one line."""
    return " ".join((axes.get_title(loc="left") or axes.get_title()).split())


def label(axes: "Axes", which: str) -> str:
    """Of the axis x or y, on one line."""
    return " ".join(getattr(axes, f"get_{which}label")().split())


def borrowed(axes: "Axes", words: Callable[["Axes"], str], *, column: bool, step: int) -> str:
    """The panel's own words, else those of the nearest panel of its column (or row) in the direction of `step`.

    Never of another row (or column): it may show another network. A panel whose places are named shares no words with
    one whose places are numbers.
    """
    if own := words(axes):
        return own
    spec = axes.get_subplotspec()
    if spec is None or axes.figure is None:
        return ""
    near = []
    for other in axes.figure.axes:
        place = other.get_subplotspec()
        if place is None or place.get_gridspec() is not spec.get_gridspec() or not other.get_visible():
            continue
        along, across = (place.rowspan, place.colspan) if column else (place.colspan, place.rowspan)
        mine, same = (spec.rowspan, spec.colspan) if column else (spec.colspan, spec.rowspan)
        way = (along.start - mine.start) * step
        if across == same and way > 0 and words(other) and _alike(axes, other, "x" if column else "y"):
            near.append((way, words(other)))
    return min(near)[1] if near else ""


def _alike(axes: "Axes", other: "Axes", which: str) -> bool:
    return bool(names(axes, which)) == bool(names(other, which))


def names(axes: "Axes", which: str) -> dict[str, str]:
    """Text of the ticks that say words, or numbers other than their places: value, as `value` writes it, -> text.

    A number is another one where any tick of the axis says one that is not its place (a depth at its rank, say).
    """
    axis = getattr(axes, f"{which}axis")
    ticks = [(tick.get_loc(), " ".join(tick.label1.get_text().split())) for tick in axis.get_major_ticks()]
    told = [(place, text, _number(text)) for place, text in ticks if text]
    scaled = bool(axis.get_offset_text().get_text())
    ranked = not scaled and any(
        said is not None and np.isfinite(said) and not np.isclose(said, place, rtol=0.05) for place, text, said in told
    )
    return {f"{value(place)}": text for place, text, said in told if said is None or (ranked and np.isfinite(said))}


def _number(text: str) -> float | None:
    """None for words; not a number for a power, as matplotlib writes it."""
    if text.startswith("$"):
        return float("nan")
    try:
        return float(text.replace(",", "").replace("\N{MINUS SIGN}", "-"))
    except ValueError:
        return None


def value(given: float) -> float | int | None:
    """Four significant digits; null where undefined."""
    if not np.isfinite(given):
        return None
    found = float(f"{given:.4g}") if abs(given) < 1e4 or given != round(given) else float(given)
    return int(found) if found == int(found) and abs(found) < 1e15 else found
