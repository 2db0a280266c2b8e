"""Accuracy and loss against epoch under plain averaging: all against test, pristine against corrupt (WS20's plots)."""

from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from analysis.arms import by_noise, end_of, eval_lines
from analysis.coherence import plain
from analysis.curves import Line, Panel
from analysis.drawing import footer, intervals
from analysis.errors import Skipped
from analysis.learning import evaluations
from analysis.panels import Grid, Look, draw_grid, grid_frame
from analysis.store import Store
from analysis.sweeps import Context, Sweep
from analysis.theme import Style, noise_style, percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "What plain averaging fits and what it costs, by label noise"
PUBLISHED = (
    "The released plot script of Zielinski, Krishnan and Chatterjee (2020) draws exactly these pairs: train against"
    " test and pristine against corrupt, loss and top-1 [C]; their abstract says that pristine examples are learnt"
    " first [S]. Numbers of the published curves are not known here."
)
PAIRS = (("train", "test"), ("pristine", "corrupt"))
VALUES = (("accuracy", "share", "labels predicted"), ("loss", "positive", "loss (nats per example)"))


def collect(store: Store, sweep: Sweep) -> Grid:
    """Two rows (accuracy, loss) per model and setting that was trained under two label noises or more."""
    rows = []
    for context in map(plain, sweep.contexts()):
        if context.trials["noise_label"].n_unique() > 1:
            evals = evaluations(store, context.trials)
            rows += [_row(context, evals, *value) for value in VALUES]
    if not rows:
        raise Skipped("no model was trained with the mean aggregator under two label noises")
    grid = Grid(tuple(rows), "")
    more = "Solid: the first of each pair; dotted: the second."
    return Grid(grid.rows, footer(sweep, intervals(grid.panels), 1, more))


def _row(context: Context, evals: pl.DataFrame, value: str, kind: str, words: str) -> tuple[Panel, ...]:
    arms = by_noise(context)
    panels = []
    for solid, dotted in PAIRS:
        pair = [
            replace(one, key=f"{one.key}, {split}", style=(f"{one.style[0]} {split}", one.style[1]))
            for split in (solid, dotted)
            for one in eval_lines(evals, arms, split, value, context.steps_per_epoch)
        ]
        panels.append(Panel(f"{solid} against {dotted}", tuple(pair), row=f"{context.label}\n{words}", kind=kind))
    return tuple(panels)


def frame(data: Grid) -> pl.DataFrame:
    """The data of the figure, tidy; condition = label noise and split."""
    return grid_frame(data)


def draw(data: Grid, figure: "Figure") -> None:
    """Two columns."""
    look = Look(x="epoch", x_label="epoch", width=5.6, height=3.1, legend="none", strength=0.35)
    draw_grid(figure, data, TITLE, style, look)
    for axes in figure.axes[:2]:
        axes.legend(loc="upper left", fontsize=6.5, ncols=1)


def style(one: Line) -> Style:
    """Colour of the label noise; solid for train and pristine, dotted for test and corrupt."""
    kind, split = one.style[0].split()
    base = noise_style(one.style[1], kind)
    return Style(base.color, base.marker, "-" if split in ("train", "pristine") else ":")


def caption(data: Grid) -> tuple[str, ...]:
    """Averages of the last evaluations."""
    said = []
    for row in data.rows[::2]:
        ends = [f"{one.key} {percent(end_of(one))}" for panel in row for one in panel.lines]
        said.append(f"{row[0].row.splitlines()[0]}, accuracy over the last evaluations: {'; '.join(ends)}.")
    return tuple(said)
