"""Corrupt, pristine and test accuracy of each aggregator over a run that memorises everything: delay or prevention?"""

from typing import TYPE_CHECKING

import polars as pl

from analysis.arms import by_aggregator, end_of, eval_lines
from analysis.curves import Panel
from analysis.drawing import footer, intervals
from analysis.errors import Skipped
from analysis.figures.triple_batch import SPLITS, style
from analysis.learning import evaluations, partly_corrupt
from analysis.panels import Grid, Look, draw_grid, grid_frame
from analysis.store import Store
from analysis.sweeps import Sweep
from analysis.theme import percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "The long run: which aggregators prevent memorising, and which delay it"
PUBLISHED = (
    "Zielinski, Krishnan and Chatterjee (2020) state that M3 and RM3 greatly reduce memorisation in runs of 90 epochs"
    " [S, C]; what happens beyond is not reported in what is known here."
)
MEMORISED = 0.9


def collect(store: Store, sweep: Sweep) -> Grid:
    """One row per model and corruption in which plain averaging has memorised nine of ten corrupt labels at the end."""
    rows = []
    for context in sweep.contexts():
        for label, chosen in partly_corrupt(context):
            evals, arms = evaluations(store, chosen.trials), by_aggregator(chosen.trials)
            panels = tuple(
                Panel(words, eval_lines(evals, arms, split), row=f"{context.label}\n{label}", kind="share")
                for split, words in SPLITS
            )
            plain = [one for one in panels[0].lines if one.style[0] == "mean"]
            if len(arms) > 1 and plain and end_of(plain[0]) >= MEMORISED:
                rows.append(panels)
    if not rows:
        raise Skipped(
            "in no run with two aggregators or more did plain averaging memorise nine of ten corrupt labels by the end"
        )
    grid = Grid(tuple(rows), "")
    return Grid(grid.rows, footer(sweep, intervals(grid.panels), len(rows)))


def frame(data: Grid) -> pl.DataFrame:
    """The data of the figure, tidy; condition = aggregator."""
    return grid_frame(data)


def draw(data: Grid, figure: "Figure") -> None:
    """Corrupt, pristine, test, on a linear axis of steps: the end is what matters."""
    draw_grid(figure, data, TITLE, style, Look(x="linear", width=4.4, height=3.4, strength=0.5))


def caption(data: Grid) -> tuple[str, ...]:
    """Share memorised at half of the run and at its end, and test accuracy at the end."""
    said = []
    for corrupt, _, test in data.rows:
        parts = []
        for one, two in zip(corrupt.lines, test.lines, strict=True):
            half = next(
                y for x, y in zip(one.x, one.center, strict=True) if x is not None and x >= (one.x[-1] or 0) / 2
            )
            parts.append(
                f"{one.key} {percent(half)} after half, {percent(end_of(one))} at the end, test {percent(end_of(two))}"
            )
        said.append(f"{' '.join(corrupt.row.split())}, memorised: {'; '.join(parts)}.")
    return tuple(said)
