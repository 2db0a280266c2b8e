"""Share f of pristine and corrupt examples in the step, with null worlds, and the mean dots (Chatterjee 2020)."""

from typing import TYPE_CHECKING

import polars as pl

from analysis.curves import Line, Panel
from analysis.drawing import footer, intervals
from analysis.errors import Skipped
from analysis.groups import band_lines, group_rows
from analysis.panels import Grid, Look, draw_grid, grid_frame
from analysis.store import Store
from analysis.sweeps import Sweep
from analysis.theme import SPLITS, Style, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Whose gradients make the step: pristine against corrupt examples"
PUBLISHED = (
    "As reported in secondary notes on Chatterjee (2020), pristine examples dominate early, then the shares cross and"
    " corrupt examples dominate late; in null worlds, where the tags are dealt again at random, this is absent, except"
    " weakly at 75 % noise. The released code logs up to 400 examples and 300 weights a layer for it [C]; here all"
    " probed examples and all weights enter."
)
QUANTITIES = (("share", "f, share of the step (1 = all of it)"), ("mean-dot", "mean of g_i . S over the group"))


def collect(store: Store, sweep: Sweep) -> Grid:
    """Instrument rows of group-shares: one column per partial corruption, one row per quantity."""
    rows = group_rows(store, sweep)
    if rows.is_empty():
        raise Skipped("no completed trial with partly corrupted labels was measured with the instrument group-shares")
    labels = rows.select("where", "noise").unique(maintain_order=True).sort("noise")["where"].to_list()
    grid = tuple(
        tuple(Panel(label, band_lines(rows, label, quantity), row=words, kind="signed") for label in labels)
        for quantity, words in QUANTITIES
    )
    data = Grid(grid, "")
    more = (
        "Dotted: 95 % band of null worlds (tags dealt again at random), mean over seeds. f is a ratio to ||S||² and"
        " jumps where the groups' sums nearly cancel; the mean dots below do not."
    )
    return Grid(grid, footer(sweep, intervals(data.panels), 1, more))


def frame(data: Grid) -> pl.DataFrame:
    """The data of the figure, tidy; conditions `pristine`, `corrupt` and their null worlds."""
    return grid_frame(data)


def draw(data: Grid, figure: "Figure") -> None:
    """Two rows: shares above, mean dots below."""
    draw_grid(figure, data, TITLE, style, Look(width=4.4, height=3.0))


def style(one: Line) -> Style:
    """Groups as everywhere; their null worlds in the same colour, dotted and without markers."""
    known = SPLITS[one.key.removeprefix("null worlds, ")]
    return Style(known.color, "", ":") if one.key.startswith("null") else known


def caption(data: Grid) -> tuple[str, ...]:
    """f of pristine examples at the first and the last step, beside the null band there."""
    said = []
    for panel in data.rows[0]:
        lines = {one.key: one for one in panel.lines}
        own, null = (lines.get(key) for key in ("pristine", "null worlds, pristine"))
        if own is None or null is None:
            continue
        at = {
            words: f"{number(own.center[i])} (null {number(null.low[i])} to {number(null.high[i])})"
            for words, i in (("first", 0), ("last", -1))
        }
        said.append(
            f"{panel.title}: f of pristine examples is {at['first']} at the first step, {at['last']} at the last."
        )
    return tuple(said)
