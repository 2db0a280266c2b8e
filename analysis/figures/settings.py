"""Coherence and the gap between training and test when one setting at a time leaves the base."""

from typing import TYPE_CHECKING

import polars as pl

from analysis.curves import Line, Panel, line
from analysis.drawing import footer, intervals
from analysis.errors import Skipped
from analysis.panels import Grid, Look, draw_grid, grid_frame
from analysis.store import Store
from analysis.sweeps import Sweep
from analysis.theme import BLUE, GREEN, VERMILLION, Style, number
from analysis.variations import Variation, variations

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "One setting at a time around a base"
PUBLISHED = (
    "Not a figure of the papers. Batches, rates and networks differ among the published measurements, which is one"
    " reason why their heights do not compare."
)
ROWS = (
    ("early", "m-coherence,\nfirst epoch", "coherence", BLUE),
    ("late", "m-coherence,\nlast third", "coherence", VERMILLION),
    ("gap", "training less test\naccuracy at the end", "plain", GREEN),
)
LEAST = 2


def collect(store: Store, sweep: Sweep) -> Grid:
    """A column per setting that takes two values or more while everything else stays at the base."""
    found = variations(store, sweep)
    if len(found) < LEAST:
        raise Skipped("fewer than two settings were varied one at a time around a base")
    rows = tuple(
        tuple(Panel(one.name, (_line(one, value),), row=words, kind=kind, ticks=_ticks(one)) for one in found)
        for value, words, kind, _ in ROWS
    )
    grid = Grid(rows, "")
    more = (
        "Coherence: sum of ||S||² over sum of Q, in the first epoch after a fifth of it at most, and in the last"
        " third of the run. The base is marked with a star; m is the same in all."
    )
    return Grid(rows, footer(sweep, intervals(grid.panels), 1, more))


def _ticks(one: Variation) -> tuple[tuple[float, str], ...]:
    return tuple((float(i), f"{label}{'*' if label == one.base else ''}") for i, label in enumerate(one.values))


def _line(one: Variation, value: str) -> Line:
    places = {label: i for i, label in enumerate(one.values)}
    rows = [(row["seed"], places[row["value"]], float(places[row["value"]]), row[value]) for row in one.rows.to_dicts()]
    schema = {"seed": pl.Int64, "window": pl.Int64, "x": pl.Float64, "y": pl.Float64}
    return line(
        pl.DataFrame(rows, schema=schema, orient="row").drop_nulls("y"), value, (value, 0.0), log=value != "gap"
    )


def frame(data: Grid) -> pl.DataFrame:
    """The data of the figure, tidy; panel = setting, x = position among its values."""
    return grid_frame(data)


def draw(data: Grid, figure: "Figure") -> None:
    """Three rows of small panels."""
    look = Look(x="linear", x_label="", width=1.95, height=2.3, legend="none")
    draw_grid(figure, data, TITLE, style, look)
    for axes in figure.axes:
        axes.tick_params(axis="x", labelsize=7)
        for text in axes.texts[:1] if axes.get_yscale() == "log" else ():
            text.set_visible(False)


def style(one: Line) -> Style:
    """By quantity."""
    return next(Style(color, "o", "-") for value, _, _, color in ROWS if value == one.style[0])


def caption(data: Grid) -> tuple[str, ...]:
    """From the first to the last value of each setting."""
    said = []
    for early, late, gap in zip(*data.rows, strict=True):
        parts = [
            f"{words} {number(panel.lines[0].center[0])} to {number(panel.lines[0].center[-1])}"
            for words, panel in (("first epoch", early), ("last third", late), ("gap", gap))
        ]
        said.append(f"{early.title}, {early.ticks[0][1]} to {early.ticks[-1][1]}: {', '.join(parts)}.")
    return tuple(said)
