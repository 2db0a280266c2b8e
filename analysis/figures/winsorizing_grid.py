"""Training accuracy, test accuracy and adjusted overfit by label noise and winsorizing level (Chatterjee 2020)."""

from typing import TYPE_CHECKING

import polars as pl

from analysis.curves import Line, Panel
from analysis.drawing import footer, intervals
from analysis.errors import Skipped
from analysis.learning import LAST, classes, eval_line, evaluations, overfit_rows, proper_accuracy
from analysis.panels import Grid, Look, draw_grid, grid_frame
from analysis.store import Store
from analysis.sweeps import Context, Sweep
from analysis.theme import Style, aggregator_style, percent, ramp_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Winsorizing: what each level fits, generalises and overfits"
PUBLISHED = (
    "The released code of Chatterjee (2020) clips every coordinate of the per-example gradients at a percentile of the"
    " batch [C]. As reported in secondary notes, above level 1 training accuracy stays at or below proper accuracy,"
    " overfit falls steadily with the level, and large levels cost fit; very large ones destabilise."
)
LEVELS = ("mean", "winsorized")


def collect(store: Store, sweep: Sweep) -> Grid:
    """One row per model and label noise that has two levels or more; level 0 is plain averaging."""
    rows = []
    for context in sweep.contexts():
        chosen = context.trials.filter(pl.col("aggregator_name").is_in(LEVELS) & ~_pixels())
        for (label,), trials in Context(context.key, context.label, chosen).arms("noise_label"):
            if trials["aggregator_label"].n_unique() > 1 and (trials["aggregator_name"] == "winsorized").any():
                rows.append(_row(store, trials, f"{context.label}\n{label}"))
    if not rows:
        raise Skipped("no model was trained with mean and with a winsorized aggregator under the same label noise")
    grid = Grid(tuple(rows), "")
    more = (
        "Overfit: training accuracy less f/C + (1 - f) times test accuracy, f the share selected, C classes."
        " Dashed: proper accuracy, the share of given labels that equal the original one."
    )
    return Grid(grid.rows, footer(sweep, intervals(grid.panels), 1, more))


def _pixels() -> pl.Expr:
    return pl.col("noise_kind").str.ends_with("-pixels")


def _row(store: Store, trials: pl.DataFrame, title: str) -> tuple[Panel, ...]:
    evals, count = evaluations(store, trials), classes(store, trials) or 1
    proper = proper_accuracy(trials)
    marks = () if proper is None or proper >= 1 else ((f"proper {proper:.2f}", proper),)
    arms = trials.with_columns(pl.col("aggregator_level").fill_null(0.0)).sort("aggregator_level")
    levels = arms["aggregator_label"].unique(maintain_order=True).to_list()
    panels: list[list[Line]] = [[], [], []]
    for index, label in enumerate(levels):
        own = evals.filter(
            pl.col("trial_id").is_in(arms.filter(pl.col("aggregator_label") == label)["trial_id"].to_list())
        )
        style = (label, float(index * 100 + len(levels)))
        for place, split in enumerate(("train", "test")):
            panels[place].append(eval_line(own.filter(pl.col("split") == split), "accuracy", label, style))
        panels[2].append(eval_line(overfit_rows(own, float(trials["noise"][0]), count), "overfit", label, style))
    heads = ("given training labels predicted", "clean test labels predicted", "adjusted overfit")
    kinds = ("share", "share", "plain")
    return tuple(
        Panel(head, tuple(lines), row=title, kind=kind, marks=marks if head == heads[0] else ())
        for head, kind, lines in zip(heads, kinds, panels, strict=True)
    )


def frame(data: Grid) -> pl.DataFrame:
    """The data of the figure, tidy; row = model and label noise, condition = level."""
    return grid_frame(data)


def draw(data: Grid, figure: "Figure") -> None:
    """A row per label noise."""
    draw_grid(figure, data, TITLE, style, Look(width=4.4, height=2.6, legend="first", strength=0.4))


def style(one: Line) -> Style:
    """Plain averaging black, levels on a ramp."""
    index, count = divmod(int(one.style[1]), 100)
    return aggregator_style("mean") if index == 0 else ramp_style(index - 1, count - 1)


def caption(data: Grid) -> tuple[str, ...]:
    """Averages of the last evaluations, level by level."""
    said = []
    for train, test, overfit in data.rows:
        parts = [
            f"{one.key}: fits {percent(_last(one))}, test {percent(_last(two))}, overfit {percent(_last(three))}"
            for one, two, three in zip(train.lines, test.lines, overfit.lines, strict=True)
        ]
        proper = "".join(f" (proper accuracy {percent(y)})" for _, y in train.marks)
        said.append(f"{' '.join(train.row.split())}{proper}, last {LAST} evaluations: {'; '.join(parts)}.")
    return tuple(said)


def _last(one: Line) -> float:
    values = [y for y in one.center if y is not None][-LAST:]
    return sum(values) / len(values)
