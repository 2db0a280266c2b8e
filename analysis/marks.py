"""What a finished figure shows, as data: panels, series and their points, in the figure's own coordinates.

Read off matplotlib's artists after the figure is laid out, so that no figure needs code of its own for the report to
know what lies under a pointer.
"""

import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from analysis.labels import borrowed, label, names, title, value

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

Array = npt.NDArray[np.float64]

POINTS = 400
"""Points of a series that are kept at most: evenly spread, the first and the last among them."""

DPI = 72
"""Of matplotlib's SVG, whose coordinates these are."""


def marks(figure: "Figure") -> dict[str, Any]:
    """width, height; panels: box [x, y, width, height], title, x, y (labels), x_names, y_names (of named places),
    series: name, color, across (whether intervals are of x), points: rows [left, top, x, y, low, high], the last two
    null where there is no interval."""
    before = figure.dpi
    figure.set_dpi(DPI)
    try:
        width, height = figure.get_size_inches() * DPI
        panels = [panel for axes in figure.axes if (panel := _panel(axes, height))["series"]]
        return {"width": _short(width), "height": _short(height), "panels": panels}
    finally:
        figure.set_dpi(before)


def _panel(axes: "Axes", height: float) -> dict[str, Any]:
    box = axes.get_window_extent()
    series = [*_stroked(list(_lines(axes))), *_bars(axes), *_clouds(axes)]
    return {
        "box": [_short(v) for v in (box.x0, height - box.y1, box.width, box.height)],
        "title": borrowed(axes, title, column=True, step=-1),
        "x": borrowed(axes, partial(label, which="x"), column=True, step=1),
        "y": borrowed(axes, partial(label, which="y"), column=False, step=-1),
        "x_names": names(axes, "x"),
        "y_names": names(axes, "y"),
        "series": [made for one in series if (made := _placed(axes, height, one))["points"]],
    }


MADE_UP = re.compile(r"_(child\d+|container\d+|nolegend_|line\d+|collection\d+)")
"""Labels that matplotlib gives to what has none."""


class Series(NamedTuple):
    """One condition of a panel. across: whether low and high are of x, not of y."""

    name: str
    color: str
    x: Array
    y: Array
    low: Array
    high: Array
    across: bool = False


def _lines(axes: "Axes") -> Iterator[Series]:
    """Lines in data coordinates, with their band or error bars. A band belongs to the first line of its colour that is
    drawn after it."""
    from matplotlib.collections import PolyCollection
    from matplotlib.colors import to_hex
    from matplotlib.lines import Line2D

    barred = dict(_error_bars(axes))
    bands: dict[str, Array] = {}
    for one in axes.get_children():
        if isinstance(one, PolyCollection) and np.size(one.get_facecolor()) and one.get_paths():
            shades: Array = np.asarray(one.get_facecolor(), dtype=float)
            bands[to_hex(tuple(shades[0]))] = np.concatenate([np.asarray(path.vertices) for path in one.get_paths()])
        if not isinstance(one, Line2D) or not _is_drawn(axes, one):
            continue
        x, y = (np.asarray(values, dtype=float) for values in (one.get_xdata(), one.get_ydata()))
        color = to_hex(one.get_color())  # type: ignore[arg-type]
        name, ends = barred.get(one, (_said(one), bands.pop(color, np.empty((0, 2)))))
        yield Series(name, color, x, y, *_interval(ends, x))


def _stroked(lines: Sequence[Series]) -> Iterator[Series]:
    """Lines, where a nameless stroke straight up or across becomes the interval of the next single point that lies on
    it in its colour. One without length lies as the others of the panel do."""
    lying = any(one.x[0] != one.x[1] and one.y[0] == one.y[1] for one in lines if not one.name and len(one.x) == 2)
    taken: dict[int, Series] = {}
    for place, stroke in enumerate(lines):
        after = next((k for k in range(place + 1, len(lines)) if k not in taken and _holds(stroke, lines[k])), None)
        if after is not None:
            across = bool(stroke.x[0] != stroke.x[1] or (lying and stroke.y[0] == stroke.y[1]))
            ends = np.sort(stroke.x if across else stroke.y)
            taken[after] = lines[after]._replace(low=ends[:1], high=ends[1:], across=across)
            taken[place] = stroke._replace(x=ends[:0], y=ends[:0], low=ends[:0], high=ends[:0])
    yield from (taken.get(place, one) for place, one in enumerate(lines))


def _holds(stroke: Series, point: Series) -> bool:
    if stroke.name or (len(stroke.x), len(point.x)) != (2, 1) or stroke.color != point.color:
        return False
    near = 1e-9 * (np.abs(point.x[0]) + np.abs(point.y[0]))  # ends and centre were rounded apart
    inside = [v.min() - near <= at[0] <= v.max() + near for v, at in ((stroke.x, point.x), (stroke.y, point.y))]
    return all(inside) and bool(stroke.x[0] == stroke.x[1] or stroke.y[0] == stroke.y[1])


def _is_drawn(axes: "Axes", line: "Line2D") -> bool:
    """Whether a line shows data, not a level or a grid."""
    drawn = (line.get_linestyle(), line.get_marker()) != ("None", "None") and line.get_visible()
    return drawn and len(line.get_xdata()) > 0 and all(line.get_transform().contains_branch_seperately(axes.transData))  # type: ignore[arg-type]


def _error_bars(axes: "Axes") -> Iterator[tuple["Line2D", tuple[str, Array]]]:
    """Line -> name and ends of its vertical error bars."""
    from matplotlib.container import ErrorbarContainer

    for one in axes.containers:
        if isinstance(one, ErrorbarContainer) and one.lines[0] is not None:
            pieces = [np.asarray(piece) for bars in one.lines[2] for piece in bars.get_segments()]
            upright = [piece for piece in pieces if len(piece) == 2 and piece[0][0] == piece[1][0]]
            yield one.lines[0], (_said(one), np.concatenate(upright) if upright else np.empty((0, 2)))


def _interval(ends: Array, x: Array) -> tuple[Array, Array]:
    """Lowest and highest of the points `ends` [n, 2] at each x; NaN where there are not two."""
    low, high = np.full(len(x), np.nan), np.full(len(x), np.nan)
    for index, place in enumerate(x):
        there = ends[ends[:, 0] == place, 1]
        if len(there) > 1:
            low[index], high[index] = there.min(), there.max()
    return low, high


def _bars(axes: "Axes") -> Iterator[Series]:
    from matplotlib.colors import to_hex
    from matplotlib.container import BarContainer

    for bars in axes.containers:
        if not isinstance(bars, BarContainer) or not len(bars):
            continue
        flat = bars.orientation == "horizontal"
        ends = [(p.get_x() + (p.get_width() if flat else p.get_width() / 2), p.get_y()) for p in bars]
        sides = [(p.get_height() / 2 if flat else p.get_height()) for p in bars]
        x = np.array([end[0] for end in ends])
        y = np.array([end[1] + side for end, side in zip(ends, sides, strict=True)])
        nothing = np.full(len(x), np.nan)
        yield Series(_said(bars), to_hex(bars.patches[0].get_facecolor()), x, y, nothing, nothing)


def _clouds(axes: "Axes") -> Iterator[Series]:
    from matplotlib.collections import PathCollection
    from matplotlib.colors import to_hex

    for cloud in axes.collections:
        if isinstance(cloud, PathCollection):
            place: Array = np.ma.filled(np.ma.asarray(cloud.get_offsets(), dtype=float), np.nan)
            shades = cloud.get_facecolor()
            color = to_hex(shades[0]) if len(shades) else "#000000"  # type: ignore[index, arg-type]
            nothing = np.full(len(place), np.nan)
            yield Series(_said(cloud), color, place[:, 0], place[:, 1], nothing, nothing)


def _placed(axes: "Axes", height: float, one: Series) -> dict[str, Any]:
    """The points that are inside the panel, where they are and what they say."""
    x, y = one.x, one.y
    places = axes.transData.transform(np.column_stack((x, y))) if len(x) else np.empty((0, 2))
    box = axes.get_window_extent().padded(1.0)
    shown = np.flatnonzero(
        np.isfinite(places).all(axis=1)
        & (places[:, 0] >= box.x0)
        & (places[:, 0] <= box.x1)
        & (places[:, 1] >= box.y0)
        & (places[:, 1] <= box.y1)
    )
    if len(shown) > POINTS:
        shown = shown[np.unique(np.linspace(0, len(shown) - 1, POINTS).round().astype(int))]
    rows = [
        [
            _short(places[i, 0]),
            _short(height - places[i, 1]),
            *(value(v) for v in (x[i], y[i], one.low[i], one.high[i])),
        ]
        for i in shown
    ]
    return {"name": one.name, "color": one.color, "across": one.across, "points": rows}


def _said(artist: "Artist | Any") -> str:
    """Its label. An underscore keeps one out of the legend, not out of here; empty for one that matplotlib made up."""
    label = str(artist.get_label() or "")
    return "" if MADE_UP.fullmatch(label) else label.removeprefix("_")


def _short(value: float) -> float:
    return round(float(value), 1)
