"""What pristine and corrupt examples have contributed per example so far, i, with null worlds (Chatterjee 2020)."""

from typing import TYPE_CHECKING

import polars as pl

from analysis.curves import Panel
from analysis.drawing import footer, intervals
from analysis.errors import Skipped
from analysis.figures.group_shares import style
from analysis.groups import band_lines, group_rows
from analysis.panels import Grid, Look, draw_grid, grid_frame
from analysis.store import Store
from analysis.sweeps import Sweep
from analysis.theme import number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "What each group has contributed so far, per example"
PUBLISHED = (
    "As reported in secondary notes, Chatterjee (2020) defines i as the sum over steps of g_i . S, averaged over a"
    " group; the shape of the published curves is not known here."
)


def collect(store: Store, sweep: Sweep) -> Grid:
    """Quantity `cumulative` of group-shares; one panel per partial corruption."""
    rows = group_rows(store, sweep).filter(pl.col("quantity") == "cumulative")
    if rows.is_empty():
        raise Skipped("no completed trial with partly corrupted labels was measured with the instrument group-shares")
    labels = rows.select("where", "noise").unique(maintain_order=True).sort("noise")["where"].to_list()
    panels = tuple(
        Panel(label, band_lines(rows, label, "cumulative"), row="i, cumulative g_i . S per example", kind="signed")
        for label in labels
    )
    more = "Dotted: 95 % band of null worlds, mean over seeds. Integral by trapezoids between probed steps."
    return Grid((panels,), footer(sweep, intervals(panels), 1, more))


def frame(data: Grid) -> pl.DataFrame:
    """The data of the figure, tidy."""
    return grid_frame(data)


def draw(data: Grid, figure: "Figure") -> None:
    """One row."""
    draw_grid(figure, data, TITLE, style, Look(width=4.6, height=3.6))


def caption(data: Grid) -> tuple[str, ...]:
    """The totals at the last step."""
    said = []
    for panel in data.rows[0]:
        last = {one.key: (one.center[-1], one.low[-1], one.high[-1]) for one in panel.lines}
        parts = [f"{group} {number(last[group][0])}" for group in ("pristine", "corrupt") if group in last]
        null = last.get("null worlds, pristine")
        band = f" (null worlds of pristine {number(null[1])} to {number(null[2])})" if null else ""
        said.append(f"{panel.title}, at the end: {', '.join(parts)}{band}.")
    return tuple(said)
