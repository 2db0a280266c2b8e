"""The median of three batches against their mean, and rolling median against rolling mean: is it the median?"""

from typing import TYPE_CHECKING

import polars as pl

from analysis.arms import by_aggregator, end_of, eval_lines
from analysis.curves import Line, Panel
from analysis.drawing import footer, intervals
from analysis.errors import Skipped
from analysis.learning import evaluations, partly_corrupt
from analysis.panels import Grid, Look, draw_grid, grid_frame
from analysis.store import Store
from analysis.sweeps import Context, Sweep
from analysis.theme import Style, aggregator_style, percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Median or averaging? Each median of three beside the mean of the same gradients"
PUBLISHED = (
    "Zielinski, Krishnan and Chatterjee (2020) state that M3 and RM3 suppress memorisation [S]. Their code also holds"
    " RA3, the average of the same three gradients [C]; that it is the control for RM3 is our reading. M3 of their code"
    " takes three batches at frozen weights [C]: here `median-of-3` at three times the batch, beside `mean` there."
)
SPLITS = (
    ("corrupt", "corrupt labels predicted"),
    ("pristine", "pristine labels predicted"),
    ("test", "clean test labels predicted"),
)
NEEDED = ("rolling-median-of-3", "rolling-mean-of-3")
WANTED = ("mean", "median-of-3", *NEEDED)


def collect(store: Store, sweep: Sweep) -> Grid:
    """One row per batch size of a model: its own batch with all four rules, three times the batch with two."""
    rows: list[tuple[Panel, ...]] = []
    for context in sweep.contexts():
        for label, chosen in partly_corrupt(context):
            trials = chosen.trials.filter(pl.col("aggregator_name").is_in(WANTED))
            names = set(trials["aggregator_name"])
            if set(NEEDED) <= names or (names == {"mean", "median-of-3"} and rows):
                rows.append(_row(store, trials, context, label))
    if not rows:
        raise Skipped("no model was trained with rolling-median-of-3 and rolling-mean-of-3 on partly corrupted labels")
    grid = Grid(tuple(rows), "")
    more = "A row compares rules at one batch size; steps count updates, so the larger batch sees more examples."
    return Grid(grid.rows, footer(sweep, intervals(grid.panels), 1, more))


def _row(store: Store, trials: pl.DataFrame, context: Context, label: str) -> tuple[Panel, ...]:
    evals, arms = evaluations(store, trials), by_aggregator(trials)
    batch = trials["batch_size"][0]
    model = context.trials["model_label"][0]
    return tuple(
        Panel(words, eval_lines(evals, arms, split), row=f"{model}, {label}\nbatch of {batch}", kind="share")
        for split, words in SPLITS
    )


def frame(data: Grid) -> pl.DataFrame:
    """The data of the figure, tidy; row = batch size, condition = aggregator."""
    return grid_frame(data)


def draw(data: Grid, figure: "Figure") -> None:
    """Corrupt, pristine, test."""
    look = Look(x="linear", width=4.3, height=3.0, strength=0.5)
    draw_grid(figure, data, TITLE, style, look)


def style(one: Line) -> Style:
    """An aggregator keeps its colour."""
    return aggregator_style(one.style[0], int(one.style[1]))


def caption(data: Grid) -> tuple[str, ...]:
    """Share memorised and test accuracy over the last evaluations."""
    said = []
    for corrupt, _, test in data.rows:
        ends = [
            f"{one.key} {percent(end_of(one))} and {percent(end_of(two))}"
            for one, two in zip(corrupt.lines, test.lines, strict=True)
        ]
        said.append(f"{' '.join(corrupt.row.split())}, memorised and test accuracy at the end: {'; '.join(ends)}.")
    return tuple(said)
