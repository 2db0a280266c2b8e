"""Networks trained afresh on easy, hard or mixed examples, evaluated on held-out easy, held-out hard and test ones."""

from typing import TYPE_CHECKING

import polars as pl

from analysis.arms import end_of, eval_lines
from analysis.curves import Line, Panel
from analysis.drawing import footer, intervals
from analysis.errors import Skipped
from analysis.learning import evaluations
from analysis.panels import Grid, Look, draw_grid, grid_frame
from analysis.sides import sides_of
from analysis.store import Store
from analysis.sweeps import Sweep
from analysis.theme import Style, percent, side_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Easy and hard examples: who generalises to whom"
PUBLISHED = (
    "Zielinski, Krishnan and Chatterjee (2020): easy examples share more with one another, and generalise better among"
    " themselves than hard ones do [S]. Their released code calls easy what is classified correctly after two epochs on"
    " ImageNet, about half of it [C]; here ranks of the loss within each class keep sides balanced and of one size."
)
SPLITS = (("easy", "held-out easy examples"), ("hard", "held-out hard examples"), ("test", "whole test set"))


def collect(store: Store, sweep: Sweep) -> Grid:
    """One row per setting; one line per side that was trained on."""
    rows = []
    for label, arms, trials in sides_of(sweep):
        evals = evaluations(store, trials)
        rows.append(
            tuple(
                Panel(words, eval_lines(evals, arms, split), row=f"{label}\nlabels predicted", kind="share")
                for split, words in SPLITS
            )
        )
    if not rows:
        raise Skipped("no sweep member trained on both sides of a difficulty")
    grid = Grid(tuple(rows), "")
    more = "Easy and hard: lowest and highest third of the loss within each class after a short training on everything."
    return Grid(grid.rows, footer(sweep, intervals(grid.panels), len(rows), more))


def frame(data: Grid) -> pl.DataFrame:
    """The data of the figure, tidy; panel = evaluated on, condition = trained on."""
    return grid_frame(data)


def draw(data: Grid, figure: "Figure") -> None:
    """Held-out easy, held-out hard, test."""
    draw_grid(figure, data, TITLE, style, Look(width=4.3, height=3.4))


def style(one: Line) -> Style:
    """A side keeps its colour."""
    return side_style(one.style[0])


def caption(data: Grid) -> tuple[str, ...]:
    """Accuracies over the last evaluations."""
    said = []
    for row in data.rows:
        for panel in row:
            ends = [f"{one.key} {percent(end_of(one))}" for one in panel.lines]
            said.append(f"{panel.row.splitlines()[0]}, {panel.title}: {', '.join(ends)}.")
    return tuple(said)
