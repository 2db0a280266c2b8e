"""m and 2m on samples that do not overlap: raw m-coherence, and the same rescaled to one m."""

from typing import TYPE_CHECKING

import polars as pl

from analysis.coherence import COLUMNS
from analysis.curves import Line, Panel, line
from analysis.drawing import footer, intervals
from analysis.errors import Skipped
from analysis.panels import Grid, Look, draw_grid, grid_frame
from analysis.query import log_window, ratio_of_sums, rescaled
from analysis.samples import sample_trials
from analysis.store import Store
from analysis.sweeps import Sweep
from analysis.theme import Style, number, ramp_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Does the size of the sample decide what one sees?"
PUBLISHED = (
    "As reported in secondary notes, an appendix of Chatterjee and Zielinski (2020) repeats the measurement with about"
    " twice the examples and finds the conclusion unchanged."
)


def collect(store: Store, sweep: Sweep) -> Grid:
    """A column per label noise; rows: m-coherence as it is, and rescaled to the smaller m."""
    found = sample_trials(sweep)
    if found is None:
        raise Skipped("no training was measured on two samples of different size that do not overlap")
    trials, label = found
    rows = store.read("layers", trials["trial_id"].to_list(), COLUMNS)
    rows = rows.filter((pl.col("source") == "probe") & (pl.col("group") == "all") & (pl.col("layer") == "*"))
    rows = rows.join(trials.select("trial_id", "seed", "noise_label"), on="trial_id")
    sizes = sorted(rows["n"].unique())
    panels: tuple[list[Panel], list[Panel]] = ([], [])
    for noise in trials.sort("noise", "position")["noise_label"].unique(maintain_order=True):
        own = rows.filter(pl.col("noise_label") == noise)
        for place, words in enumerate(("m-coherence as measured", f"rescaled to m = {sizes[0]:,}")):
            lines = tuple(
                _line(own.filter(pl.col("n") == n), n, i, None if place == 0 else sizes[0]) for i, n in enumerate(sizes)
            )
            panels[place].append(Panel(noise, lines, row=words, kind="coherence"))
    grid = Grid(tuple(map(tuple, panels)), "")
    more = f"{label}. Rescaled: 1 + (m' - 1) alpha_U with alpha_U = (m-coherence - 1) / (m - 1), per window of steps."
    return Grid(grid.rows, footer(sweep, intervals(grid.panels), 1, more))


def _line(rows: pl.DataFrame, size: int, index: int, to: int | None) -> Line:
    pooled = ratio_of_sums(rows.with_columns(log_window()), ["seed", "window"])
    value = pl.col("m_coherence") if to is None else rescaled(to)
    points = pooled.with_columns(value.alias("y")).rename({"step": "x"})
    return line(points, f"m = {size:,}", (f"size {size}", float(index)), log=True)


def frame(data: Grid) -> pl.DataFrame:
    """The data of the figure, tidy; condition = sample."""
    return grid_frame(data)


def draw(data: Grid, figure: "Figure") -> None:
    """Two rows."""
    draw_grid(figure, data, TITLE, style, Look(width=4.3, height=2.8, legend="above"))


def style(one: Line) -> Style:
    """Samples on a ramp."""
    return ramp_style(3 * int(one.style[1]), 4)


def caption(data: Grid) -> tuple[str, ...]:
    """Ratio of the two samples, as measured and rescaled: geometric mean over windows."""
    import math

    said = []
    for raw, scaled in zip(*data.rows, strict=True):
        parts = []
        for words, panel in (("as measured", raw), ("rescaled", scaled)):
            small, large = panel.lines[0], panel.lines[-1]
            logs = [math.log(b / a) for a, b in zip(small.center, large.center, strict=False) if a and b]
            parts.append(f"{words} x {number(math.exp(sum(logs) / len(logs)))}")
        said.append(f"{raw.title}, larger over smaller sample: {', '.join(parts)}.")
    return tuple(said)
