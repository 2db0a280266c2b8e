"""What pristine and corrupt examples contribute to the step, against worlds in which the tags were dealt at random."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from analysis.coherence import plain
from analysis.curves import Panel, tidy
from analysis.drawing import footer, intervals, last_x, step_axis
from analysis.errors import Skipped
from analysis.families import architectures
from analysis.grids import close, draw_lines, grid_of, row_label
from analysis.learning import partly_corrupt
from analysis.shares import Null, lines_of, null_rows, nulls_of, readings, windowed_means, windowed_shares
from analysis.signed import NULL_ENTRY, draw_nulls, group_style, signed_axis
from analysis.store import Store
from analysis.sweeps import Sweep
from analysis.theme import GREY, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Whose step is it? Shares of pristine and corrupt examples in the summed gradient (mean aggregator)"
PUBLISHED = (
    "Known here from secondary notes only: as reported there, Chatterjee (2020) finds that pristine examples dominate"
    " early, corrupt ones late, with a crossover between them, and nothing of this in the null worlds except weakly at"
    " 75 % noise."
)


@dataclass(frozen=True)
class Column:
    """One label noise. share: f of each group; dots: mean over its examples of g . S; with their null bands."""

    share: Panel
    dots: Panel
    share_nulls: tuple[Null, ...]
    dot_nulls: tuple[Null, ...]


@dataclass(frozen=True)
class Data:
    """One column per model and label noise."""

    columns: tuple[Column, ...]
    foot: str


def collect(store: Store, sweep: Sweep) -> Data:
    """Windowed shares and mean dots of every corruption of some but not all labels; raises Skipped without any."""
    columns, used = [], []
    for whole in map(plain, sweep.contexts()):
        for label, chosen in partly_corrupt(whole):
            rows = readings(store, chosen.trials)
            shares, dots = windowed_shares(rows), windowed_means(rows, "mean-dot")
            if shares.is_empty():
                continue
            title = f"{whole.label}, {label}"
            columns.append(
                Column(
                    Panel(title, lines_of(shares), row="share f"),
                    Panel(title, lines_of(dots), row="mean dot"),
                    nulls_of(shares),
                    nulls_of(dots),
                )
            )
            used.append(whole)
    if not columns:
        raise Skipped("no completed trial with the mean aggregator and partly corrupted labels has group-shares")
    panels = tuple(panel for column in columns for panel in (column.share, column.dots))
    more = (
        "Points: sum of S.S_A over sum of ||S||² (above) and means (below) in windows of steps, five a decade from step"
        " 10. Shaded in grey: 95 % of the null worlds, mean over seeds. Shares jump where S nearly cancels."
    )
    return Data(tuple(columns), footer(sweep, intervals(panels), architectures(used), more))


def frame(data: Data) -> pl.DataFrame:
    """The data of the figure, tidy; rows `share f` and `mean dot`, null bands as conditions of their own."""
    curves = tidy(panel for column in data.columns for panel in (column.share, column.dots))
    bands = [
        null_rows(panel.title, panel.row, nulls, curves.schema)
        for column in data.columns
        for panel, nulls in ((column.share, column.share_nulls), (column.dots, column.dot_nulls))
    ]
    return pl.concat([curves, *bands])


def draw(data: Data, figure: "Figure") -> None:
    """Shares above, mean dots below; one column per label noise."""
    grid = grid_of(figure, 2, len(data.columns), width=4.4, height=3.3)
    last = last_x(tuple(column.share for column in data.columns))
    for place, column in enumerate(data.columns):
        above, below = grid[0][place], grid[1][place]
        for axes, panel, nulls in ((above, column.share, column.share_nulls), (below, column.dots, column.dot_nulls)):
            draw_nulls(axes, nulls)
            draw_lines(axes, panel, group_style, heading=False)
            step_axis(axes, last, label=axes is below)
        above.set_title(column.share.title)
        above.set_ylim(*_limits(column.share))
        above.axhline(0, color=GREY, linewidth=0.8)
        signed_axis(below, column.dots)
    row_label(grid[0][0], "share of the step,", "f = S·S_A / ||S||²")
    row_label(grid[1][0], "mean of g·S over the group", "(squared gradient units)")
    close(figure, TITLE, data.foot, [column.share for column in data.columns], group_style, (NULL_ENTRY,))


def _limits(panel: Panel) -> tuple[float, float]:
    """The range of the centres with some room; single seeds may leave it."""
    values = [y for one in panel.lines for y in one.center if y is not None]
    return min([*values, 0.0]) - 0.15, max([*values, 1.0]) + 0.15


def caption(data: Data) -> tuple[str, ...]:
    """What is seen in these data, a sentence or two per panel."""
    return tuple(f"{column.share.title}: {_said(column)}." for column in data.columns)


def _said(column: Column) -> str:
    lines = {one.key: one for one in column.share.lines}
    nulls = {null.group: null for null in column.share_nulls}
    if "pristine" not in lines:
        return "no pristine examples in the probe"
    one, null = lines["pristine"], nulls["pristine"]
    points = [
        (x, y, low, high)
        for x, y, low, high in zip(one.x, one.center, null.low, null.high, strict=True)
        if x is not None and y is not None and low is not None and high is not None
    ]
    first, last = points[0], points[-1]
    below = next((x for x, y, low, _ in points if y < low), None)
    crossed = "never falls below it" if below is None else f"first falls below it near step {below:,.0f}"
    return (
        f"the share of pristine examples is {number(first[1])} at the first probe (null worlds {number(first[2])} to"
        f" {number(first[3])}), {crossed}, and is {number(last[1])} near step {last[0]:,.0f} (null worlds"
        f" {number(last[2])} to {number(last[3])}; n = {len(one.seeds)})"
    )
