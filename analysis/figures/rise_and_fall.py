"""Why coherence rises and falls: beside the share of fitted examples and the effective sample size."""

from typing import TYPE_CHECKING

import polars as pl

from analysis.arms import by_noise, eval_lines
from analysis.coherence import plain, sample_sizes, sizes_note, step_line
from analysis.curves import Line, Panel, line
from analysis.drawing import footer, intervals
from analysis.errors import Skipped
from analysis.learning import evaluations
from analysis.panels import Grid, Look, draw_grid, grid_frame
from analysis.query import log_window
from analysis.store import Store
from analysis.sweeps import Context, Sweep
from analysis.theme import Style, noise_style, number, percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Rise and fall: coherence, who is fitted, and how many examples still have a gradient"
PUBLISHED = (
    "As reported in secondary notes on Chatterjee and Zielinski (2022), a vector that is 0 with probability 1 - p"
    " dilutes coherence by p: examples that are fitted have vanishing gradients, and the step rests on ever fewer"
    " others."
)
COLUMNS = ["trial_id", "step", "source", "group", "layer", "n", "k", "q", "s2", "effective_sample_size"]


def collect(store: Store, sweep: Sweep) -> Grid:
    """One column per model and setting; rows: m-coherence, training accuracy, effective sample size over m."""
    columns = [column for context in map(plain, sweep.contexts()) if (column := _column(store, context))]
    if not columns:
        raise Skipped("no completed trial with the mean aggregator has a probe of the whole network")
    rows = tuple(tuple(column[i] for column in columns) for i in range(3))
    grid = Grid(rows, "")
    more = "Effective sample size: Q² / sum of ||g_i||⁴, between 1 and m: how many examples carry the squared norm."
    return Grid(rows, footer(sweep, intervals(grid.panels), len(columns), more))


def _column(store: Store, context: Context) -> tuple[Panel, Panel, Panel] | None:
    rows = store.read("layers", context.trials["trial_id"].to_list(), COLUMNS)
    rows = rows.filter((pl.col("source") == "probe") & (pl.col("group") == "all") & (pl.col("layer") == "*"))
    rows = rows.join(context.trials.select("trial_id", "seed"), on="trial_id")
    if rows.is_empty() or len(sample_sizes(rows)) > 1:
        return None
    coherence, sizes = [], []
    for label, (ids, style) in by_noise(context).items():
        own = rows.filter(pl.col("trial_id").is_in(ids))
        if not own.is_empty():
            coherence.append(step_line(own, label, style))
            sizes.append(_effective(own, label, style))
    fitted = eval_lines(evaluations(store, context.trials), by_noise(context), "train")
    return (
        Panel(context.label, tuple(coherence), sizes_note(rows), "m-coherence (examples)", "coherence"),
        Panel(context.label, fitted, row="given training labels\npredicted", kind="share"),
        Panel(context.label, tuple(sizes), row="effective sample size / m", kind="share"),
    )


def _effective(rows: pl.DataFrame, label: str, style: tuple[str, float]) -> Line:
    pooled = rows.drop_nulls("effective_sample_size").with_columns(log_window()).group_by("seed", "window")
    points = pooled.agg(
        pl.col("step").mean().alias("x"), (pl.col("effective_sample_size") / pl.col("n")).mean().alias("y")
    )
    return line(points, label, style, log=False)


def frame(data: Grid) -> pl.DataFrame:
    """The data of the figure, tidy."""
    return grid_frame(data)


def draw(data: Grid, figure: "Figure") -> None:
    """Three rows."""
    draw_grid(figure, data, TITLE, style, Look(width=5.0, height=2.7, legend="above", strength=0.5))


def style(one: Line) -> Style:
    """A label noise keeps its colour."""
    return noise_style(one.style[1], one.style[0])


def caption(data: Grid) -> tuple[str, ...]:
    """Where coherence is highest: how much is fitted there, and at the end."""
    said = []
    for coherence, fitted, sizes in zip(*data.rows, strict=True):
        parts = []
        for one, two, three in zip(coherence.lines, fitted.lines, sizes.lines, strict=False):
            points = [(x, y) for x, y in zip(one.x, one.center, strict=True) if x is not None and y is not None]
            top_x, top = max(points, key=lambda point: point[1])
            there = min(zip(two.x, two.center, strict=True), key=lambda point: abs((point[0] or 0) - top_x))[1]
            parts.append(
                f"{one.key} peaks at {number(top)} near step {top_x:,.0f} with {percent(there)} fitted; at the end"
                f" {number(points[-1][1])} with {percent(two.center[-1])} fitted and {percent(three.center[-1])} of the"
                " examples carrying the norm"
            )
        said.append(f"{coherence.title}: {'; '.join(parts)}.")
    return tuple(said)
