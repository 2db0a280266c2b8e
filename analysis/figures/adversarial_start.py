"""Original labels learnt from fresh weights and from weights that fit random labels (WS20's restart)."""

from typing import TYPE_CHECKING

import polars as pl

from analysis.arms import end_of, eval_lines
from analysis.coherence import probes, sizes_note, step_line
from analysis.curves import Line, Panel
from analysis.drawing import footer, intervals
from analysis.errors import Skipped
from analysis.learning import evaluations
from analysis.panels import Grid, Look, draw_grid, grid_frame
from analysis.starts import starts_of
from analysis.store import Store
from analysis.sweeps import Sweep
from analysis.theme import BLUE, VERMILLION, Style, number, percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Starting from weights that fit random labels"
PUBLISHED = (
    "The released trainer of Zielinski, Krishnan and Chatterjee (2020) resumes from an earlier run and begins the"
    " schedule again expressly for this [C]; whether they show a figure is not known here. As reported in secondary"
    " notes on Chatterjee and Zielinski (2022), easy examples may become hard from there."
)
STYLES = {"fresh weights": Style(BLUE, "o", "-"), "weights that fit random labels": Style(VERMILLION, "v", "--")}


def collect(store: Store, sweep: Sweep) -> Grid:
    """One row per setting with both starts: training accuracy, test accuracy, m-coherence."""
    rows = []
    for label, arms, trials in starts_of(sweep):
        evals, found = evaluations(store, trials), probes(store, trials).filter(pl.col("layer") == "*")
        lines = tuple(
            step_line(own, name, style)
            for name, (ids, style) in arms.items()
            if not (own := found.filter(pl.col("trial_id").is_in(ids))).is_empty()
        )
        rows.append(
            (
                Panel("training labels predicted", eval_lines(evals, arms, "train"), row=label, kind="share"),
                Panel("test labels predicted", eval_lines(evals, arms, "test"), row=label, kind="share"),
                Panel("m-coherence (examples)", lines, sizes_note(found), label, "coherence"),
            )
        )
    if not rows:
        raise Skipped("no setting was trained both from fresh weights and from pretrained ones")
    grid = Grid(tuple(rows), "")
    return Grid(grid.rows, footer(sweep, intervals(grid.panels), len(rows), "Step 0 is after the first training."))


def frame(data: Grid) -> pl.DataFrame:
    """The data of the figure, tidy; condition = start."""
    return grid_frame(data)


def draw(data: Grid, figure: "Figure") -> None:
    """Three columns."""
    draw_grid(figure, data, TITLE, style, Look(width=4.4, height=3.4))


def style(one: Line) -> Style:
    """A start keeps its colour."""
    return STYLES[one.key]


def caption(data: Grid) -> tuple[str, ...]:
    """Test accuracy at the end, and coherence at its highest."""
    said = []
    for _, test, coherence in data.rows:
        ends = [f"{one.key} {percent(end_of(one))}" for one in test.lines]
        tops = [f"{one.key} {number(max(y for y in one.center if y is not None))}" for one in coherence.lines]
        said.append(
            f"{test.row}: test accuracy at the end {', '.join(ends)}; highest windowed m-coherence {', '.join(tops)}."
        )
    return tuple(said)
