"""Training accuracy, test accuracy and training loss against step, one line per label noise (Chatterjee 2020)."""

from typing import TYPE_CHECKING

import polars as pl

from analysis.coherence import plain
from analysis.curves import Line, Panel
from analysis.drawing import footer, intervals
from analysis.errors import Skipped
from analysis.learning import eval_line, evaluations, proper_accuracy
from analysis.panels import Grid, Look, draw_grid, grid_frame
from analysis.store import Store
from analysis.sweeps import Context, Sweep
from analysis.theme import Style, noise_style, percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Learning curves by label noise (mean aggregator)"
PUBLISHED = (
    "The released code of Chatterjee (2020) evaluates the whole training and test sets along this schedule [C]. As"
    " reported in secondary notes, every noise level is fitted in the end, more slowly the more labels are random, and"
    " test accuracy peaks early and then falls under noise."
)
PARTS = (("train", "accuracy", "share"), ("test", "accuracy", "share"), ("train", "loss", "positive"))
HEADINGS = ("given training labels predicted", "clean test labels predicted", "training loss (nats per example)")


def collect(store: Store, sweep: Sweep) -> Grid:
    """One row per model and setting with two label noises or more; dashed: what original labels alone would give."""
    contexts = [plain(context) for context in sweep.contexts()]
    rows = [_row(store, context) for context in contexts if context.trials["noise_label"].n_unique() > 1]
    if not rows:
        raise Skipped("no model was trained with the mean aggregator under two label noises")
    data = Grid(tuple(rows), "")
    more = "Dashed: share of given training labels that equal the original one (proper accuracy)."
    return Grid(data.rows, footer(sweep, intervals(data.panels), len(rows), more))


def _row(store: Store, context: Context) -> tuple[Panel, ...]:
    evals = evaluations(store, context.trials)
    panels = []
    for (split, value, kind), heading in zip(PARTS, HEADINGS, strict=True):
        lines, marks = [], []
        for (label,), trials in context.arms("noise_label"):
            own = evals.filter(pl.col("trial_id").is_in(trials["trial_id"].to_list()) & (pl.col("split") == split))
            if own.is_empty():
                continue
            lines.append(eval_line(own, value, label, (trials["noise_kind"][0], trials["noise"][0])))
            proper = proper_accuracy(trials)
            if heading == HEADINGS[0] and proper is not None and 0.15 < proper < 1:
                marks.append((f"proper {proper:.2f}", proper))
        panels.append(Panel(heading, tuple(lines), row=context.label, kind=kind, marks=tuple(marks)))
    return tuple(panels)


def frame(data: Grid) -> pl.DataFrame:
    """The data of the figure, tidy; condition = label noise."""
    return grid_frame(data)


def draw(data: Grid, figure: "Figure") -> None:
    """One row per model."""
    draw_grid(figure, data, TITLE, style, Look(width=4.4, height=3.4))


def style(one: Line) -> Style:
    """A label noise keeps its colour."""
    return noise_style(one.style[1], one.style[0])


def caption(data: Grid) -> tuple[str, ...]:
    """Last training accuracy, best and last test accuracy of each label noise."""
    said = []
    for train, test, _ in data.rows:
        parts = []
        for one, other in zip(train.lines, test.lines, strict=False):
            last, tests = one.center[-1], [y for y in other.center if y is not None]
            parts.append(
                f"{one.key}: {percent(last)} of given labels; test {percent(max(tests))} at best,"
                f" {percent(tests[-1])} at the end"
            )
        said.append(f"{train.row}: {'; '.join(parts)}.")
    return tuple(said)
