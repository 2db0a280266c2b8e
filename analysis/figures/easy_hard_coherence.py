"""m-coherence of easy, hard and mixed examples on networks trained on them."""

from typing import TYPE_CHECKING

import polars as pl

from analysis.coherence import probes, sizes_note, step_line
from analysis.curves import Panel
from analysis.drawing import footer, intervals
from analysis.errors import Skipped
from analysis.figures.easy_hard import style
from analysis.panels import Grid, Look, draw_grid, grid_frame
from analysis.sides import sides_of
from analysis.store import Store
from analysis.sweeps import Sweep
from analysis.theme import number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Coherence of easy and of hard examples"
PUBLISHED = (
    "Chatterjee and Zielinski (2022) treat difficulty as a property of an example relative to the rest, as reported in"
    " secondary notes; that they measure easy subsets as more coherent is not confirmed by what is known here."
)


def collect(store: Store, sweep: Sweep) -> Grid:
    """One panel per setting; at step 0 the weights are fresh, and the contrast is of the examples alone."""
    panels = []
    for label, arms, trials in sides_of(sweep):
        found = probes(store, trials).filter(pl.col("layer") == "*")
        lines = tuple(
            step_line(own, name, side)
            for name, (ids, side) in arms.items()
            if not (own := found.filter(pl.col("trial_id").is_in(ids))).is_empty()
        )
        panels.append(Panel(label, lines, sizes_note(found), "m-coherence (examples)", "coherence"))
    if not panels:
        raise Skipped("no sweep member trained on both sides of a difficulty")
    grid = Grid((tuple(panels),), "")
    more = "Each line is measured on the examples that its network is trained on; after about a hundred steps easy ones"
    return Grid(grid.rows, footer(sweep, intervals(grid.panels), len(panels), f"{more} are fitted."))


def frame(data: Grid) -> pl.DataFrame:
    """The data of the figure, tidy; condition = side."""
    return grid_frame(data)


def draw(data: Grid, figure: "Figure") -> None:
    """One row."""
    draw_grid(figure, data, TITLE, style, Look(width=5.6, height=3.8))


def caption(data: Grid) -> tuple[str, ...]:
    """Values at fresh weights."""
    said = []
    for panel in data.panels:
        at = [f"{one.key.removeprefix('trained on ')} {number(one.center[0])}" for one in panel.lines]
        said.append(f"{panel.title} ({panel.note}), at fresh weights: {', '.join(at)}.")
    return tuple(said)
