"""Noise images with their labels kept: learning, test accuracy and coherence by winsorizing level (GM22)."""

from typing import TYPE_CHECKING

import polars as pl

from analysis.arms import by_aggregator, end_of, eval_lines
from analysis.coherence import probes, sizes_note, step_line
from analysis.curves import Line, Panel
from analysis.drawing import footer, intervals
from analysis.errors import Skipped
from analysis.learning import evaluations
from analysis.panels import Grid, Look, draw_grid, grid_frame
from analysis.store import Store
from analysis.sweeps import Context, Sweep
from analysis.theme import Style, aggregator_style, number, percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Images replaced by noise, labels kept"
PUBLISHED = (
    "Chatterjee and Zielinski (2022) train on random pixels too; what their figure shows is not known here. As reported"
    " in secondary notes, very large winsorizing levels destabilise training."
)


def collect(store: Store, sweep: Sweep) -> Grid:
    """A column per share of noise images; rows: training accuracy, test accuracy, m-coherence."""
    for context in sweep.contexts():
        if context.trials["noise_kind"].str.ends_with("-pixels").any():
            return _grid(store, sweep, context)
    raise Skipped("no completed trial has images replaced by noise")


def _grid(store: Store, sweep: Sweep, context: Context) -> Grid:
    pixels = pl.col("noise_kind").str.ends_with("-pixels") | (pl.col("noise") == 0)
    context = Context(context.key, context.label, context.trials.filter(pixels))
    rows: list[list[Panel]] = [[], [], []]
    for (label,), trials in context.arms("noise_label"):
        evals, arms = evaluations(store, trials), by_aggregator(trials)
        title = "original images" if trials["noise"][0] == 0 else label
        for place, (split, words) in enumerate(
            (("train", "training labels predicted"), ("test", "test labels predicted"))
        ):
            rows[place].append(Panel(title, eval_lines(evals, arms, split), row=words, kind="share"))
        found = probes(store, trials).filter(pl.col("layer") == "*")
        lines = [
            step_line(own, name, style)
            for name, (ids, style) in arms.items()
            if not (own := found.filter(pl.col("trial_id").is_in(ids))).is_empty()
        ]
        rows[2].append(Panel(title, tuple(lines), sizes_note(found), "m-coherence (examples)", "coherence"))
    grid = Grid(tuple(map(tuple, rows)), "")
    more = "Test images are never noise. Coherence: sum of ||S||² over sum of Q in windows of steps."
    return Grid(grid.rows, footer(sweep, intervals(grid.panels), 1, more))


def frame(data: Grid) -> pl.DataFrame:
    """The data of the figure, tidy; panel = share of noise images, condition = aggregator."""
    return grid_frame(data)


def draw(data: Grid, figure: "Figure") -> None:
    """Three rows."""
    draw_grid(figure, data, TITLE, style, Look(width=4.4, height=2.8, legend="first", strength=0.5))


def style(one: Line) -> Style:
    """An aggregator keeps its colour."""
    return aggregator_style(one.style[0], int(one.style[1]))


def caption(data: Grid) -> tuple[str, ...]:
    """What is fitted in the end, and the highest and last windowed coherence."""
    said = []
    for train, test, coherence in zip(*data.rows, strict=True):
        parts = []
        for one, two, three in zip(train.lines, test.lines, coherence.lines, strict=False):
            values = [y for y in three.center if y is not None]
            parts.append(
                f"{one.key} fits {percent(end_of(one))}, test {percent(end_of(two))}, m-coherence {number(values[0])}"
                f" at first, {number(max(values))} at most, {number(values[-1])} at the end"
            )
        said.append(f"{train.title}: {'; '.join(parts)}.")
    return tuple(said)
