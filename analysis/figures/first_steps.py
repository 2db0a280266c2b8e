"""m-coherence at every one of the first hundred steps: is there a fall from nearly m?"""

from typing import TYPE_CHECKING

import polars as pl

from analysis.coherence import plain, probes, sample_sizes, sizes_note
from analysis.curves import Line, Panel, line
from analysis.drawing import footer, intervals
from analysis.errors import Skipped
from analysis.layers import first_middle_last
from analysis.panels import Grid, Look, draw_grid, grid_frame
from analysis.query import ratio_of_sums
from analysis.store import Store
from analysis.sweeps import Context, Sweep
from analysis.theme import Style, noise_style, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "The first hundred steps"
PUBLISHED = (
    "As reported in secondary notes, Chatterjee and Zielinski (2020) see m-coherence fall from nearly m to below 10"
    " within about 25 steps, for real and random labels alike, since the first outputs are nearly uniform."
)
LAST_STEP, EVERY = 100, 20
"""Probes at this many of the first steps, at least, make a sweep feed this figure."""


def collect(store: Store, sweep: Sweep) -> Grid:
    """A row for the whole network and one for its last layer; a column per model and data set."""
    rows: list[list[Panel]] = [[], []]
    for context in map(plain, sweep.contexts()):
        found = probes(store, context.trials).filter(pl.col("step") <= LAST_STEP)
        if found["step"].n_unique() < EVERY or not (found["step"] > EVERY).any():
            continue
        last = [layer for place, layer in first_middle_last(found) if place == "last"]
        for place, layer in enumerate(["*", *last]):
            rows[place].append(_panel(context, found.filter(pl.col("layer") == layer), layer))
    if not rows[0]:
        raise Skipped(f"no trial was probed at {EVERY} or more of its first {LAST_STEP} steps")
    grid = Grid(tuple(tuple(row) for row in rows if row), "")
    return Grid(grid.rows, footer(sweep, intervals(grid.panels), len(rows[0]), "Every probe as it is, no windows."))


def _panel(context: Context, rows: pl.DataFrame, layer: str) -> Panel:
    lines = []
    for (label,), trials in context.arms("noise_label"):
        own = rows.filter(pl.col("trial_id").is_in(trials["trial_id"].to_list()) & (pl.col("q") > 0))
        single = ratio_of_sums(own.with_columns(pl.col("step").alias("window")), ["seed", "window"])
        points = single.rename({"step": "x", "m_coherence": "y"})
        if not points.is_empty():
            lines.append(line(points, label, (trials["noise_kind"][0], trials["noise"][0]), log=True))
    size = max(sample_sizes(rows), default=None)
    marks = (("m", float(size)),) if isinstance(size, int) else ()
    what = "whole network" if layer == "*" else "last layer"
    return Panel(context.label, tuple(lines), sizes_note(rows), f"m-coherence\n{what}", "coherence", marks)


def frame(data: Grid) -> pl.DataFrame:
    """The data of the figure, tidy."""
    return grid_frame(data)


def draw(data: Grid, figure: "Figure") -> None:
    """Linear steps; the axis reaches up to m, so that a fall from there would show."""
    draw_grid(figure, data, TITLE, style, Look(x="linear", width=4.2, height=3.0, legend="above", strength=0.6))


def style(one: Line) -> Style:
    """A label noise keeps its colour."""
    return noise_style(one.style[1], one.style[0])


def caption(data: Grid) -> tuple[str, ...]:
    """Values at steps 0, 25 and the last, as shares of m too."""
    said = []
    for panel in data.rows[0]:
        m = panel.marks[0][1] if panel.marks else float("nan")
        parts = []
        for one in panel.lines:
            at = {x: y for x, y in zip(one.x, one.center, strict=True) if x is not None}
            first, later, last = at.get(0.0), at.get(25.0), one.center[-1]
            share = "" if first is None else f" ({100 * first / m:.2g} % of m)"
            parts.append(
                f"{one.key}: {number(first)}{share} at step 0, {number(later)} at 25, {number(last)} at the last"
            )
        said.append(f"{panel.title}: {'; '.join(parts)}.")
    return tuple(said)
