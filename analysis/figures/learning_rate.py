"""What each aggregator has learnt and memorised at the end, against the learning rate; its own best is ringed."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from analysis.curves import Line, Panel, line
from analysis.drawing import footer, intervals
from analysis.errors import Skipped
from analysis.figures.triple_batch import SPLITS, style
from analysis.panels import Grid, Look, draw_grid, grid_frame
from analysis.rates import RATE_RULE, Tuned, tuned
from analysis.store import Store
from analysis.sweeps import Sweep
from analysis.theme import percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Do the aggregators differ, or only their best learning rates?"
PUBLISHED = (
    "Not a figure of the papers: rates of the published comparisons are the same for all aggregators as far as is known"
    " here, and a rule that shrinks steps could look robust for that alone."
)


@dataclass(frozen=True)
class Data:
    """grid: corrupt, pristine and test accuracy; best: position of each aggregator's own rate."""

    grid: Grid
    best: dict[str, float]


def collect(store: Store, sweep: Sweep) -> Data:
    """The first setting in which two aggregators or more were trained at two rates or more."""
    found = next(tuned(store, sweep), None)
    if found is None:
        raise Skipped("no two aggregators were trained on partly corrupted labels at two learning rates or more")
    ticks = tuple((float(i), f"{rate:g}") for i, rate in enumerate(found.rates))
    panels = tuple(
        Panel(words, _lines(found, split), row=f"{found.label}\nat the end", kind="share", ticks=ticks)
        for split, words in SPLITS
    )
    grid = Grid((panels,), "")
    foot = footer(sweep, intervals(panels), 1, f"Ringed: {RATE_RULE}.")
    best = {name: float(found.rates.index(rate)) for name, rate in found.best.items()}
    return Data(Grid(grid.rows, foot), best)


def _lines(found: Tuned, split: str) -> tuple[Line, ...]:
    lines = []
    for number, (label, name) in enumerate(found.aggregators.items()):
        own = found.ends.filter((pl.col("aggregator_label") == label) & (pl.col("split") == split))
        points = own.select("seed", pl.col("place").alias("window"), pl.col("place").cast(pl.Float64).alias("x"), "y")
        before = list(found.aggregators.values())[:number].count(name)
        lines.append(line(points, label, (name, float(before)), log=False))
    return tuple(one for one in lines if one.x)


def frame(data: Data) -> pl.DataFrame:
    """The data of the figure, tidy; x = position among the rates."""
    return grid_frame(data.grid)


def draw(data: Data, figure: "Figure") -> None:
    """Corrupt, pristine, test."""
    draw_grid(figure, data.grid, TITLE, style, Look(width=4.3, height=3.6, x_label="learning rate"))
    for axes, panel in zip(figure.axes, data.grid.panels, strict=False):
        for one in panel.lines:
            at = np.array([x == data.best.get(one.key) for x in one.x])
            y = np.array([np.nan if value is None else value for value in one.center])
            axes.plot(np.array(one.x)[at], y[at], "o", markersize=11, fillstyle="none", color=style(one).color)


def caption(data: Data) -> tuple[str, ...]:
    """Each aggregator at its own rate."""
    corrupt, pristine, test = data.grid.rows[0]
    names = dict(corrupt.ticks)
    parts = []
    for one, two, three in zip(corrupt.lines, pristine.lines, test.lines, strict=True):
        place = data.best[one.key]
        at = one.x.index(place)
        parts.append(
            f"{one.key} at {names[place]}: memorised {percent(one.center[at])}, pristine {percent(two.center[at])},"
            f" test {percent(three.center[at])}"
        )
    return (f"{corrupt.row.splitlines()[0]}, at each aggregator's own rate ({RATE_RULE}): {'; '.join(parts)}.",)
