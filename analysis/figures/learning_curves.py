"""Training accuracy, test accuracy and training loss against step, one curve per label noise."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from analysis.coherence import plain
from analysis.curves import Line, Panel, at_most, tidy
from analysis.drawing import footer, intervals, last_x, log_axis, share_axis, step_axis
from analysis.errors import Skipped
from analysis.families import architectures
from analysis.grids import REFERENCE, close, draw_lines, flat, grid_of, row_label
from analysis.learning import chance, classes, end, evaluations, proper_level, said_end, split_line
from analysis.store import Store
from analysis.sweeps import Context, Sweep
from analysis.theme import Style, noise_style, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Learning curves by label noise (mean aggregator)"
PUBLISHED = (
    "Known here from secondary notes only: as reported there, Chatterjee (2020) finds that every share of random labels"
    " is fitted in the end, the more slowly the more there are, and that test accuracy peaks early and then falls."
)
QUANTITIES = (
    ("train", "accuracy", "training accuracy (given labels)"),
    ("test", "accuracy", "test accuracy"),
    ("train", "loss", "training loss (given labels)"),
)


@dataclass(frozen=True)
class Data:
    """rows: three panels per model; proper: (style of the curve, proper accuracy) of each corrupted arm, per model."""

    rows: tuple[tuple[Panel, ...], ...]
    proper: tuple[tuple[tuple[tuple[str, float], float], ...], ...]
    guessing: tuple[float | None, ...]
    ends: tuple[tuple[tuple[str, str], ...], ...]
    foot: str


def collect(store: Store, sweep: Sweep) -> Data:
    """Every model that was trained plainly at two shares of label noise or more; raises Skipped without one."""
    rows, proper, guessing, ends, used = [], [], [], [], []
    for whole in sweep.contexts():
        context = _labels(plain(whole))
        if context.trials["noise_label"].n_unique() < 2:
            continue
        evals = evaluations(store, context.trials)
        rows.append(tuple(_panel(context, evals, *quantity) for quantity in QUANTITIES))
        proper.append(_proper(store, context))
        guessing.append(chance(store, context))
        ends.append(_ends(context, evals))
        used.append(context)
    if not rows:
        raise Skipped("no model has completed trials of the mean aggregator at two shares of label noise")
    more = "Dashed, in the colour of its curve: proper accuracy 1 - f + f/C, of a classifier with every original label."
    foot = footer(sweep, intervals(flat(rows)), architectures(used), more)
    return Data(tuple(rows), tuple(proper), tuple(guessing), tuple(ends), foot)


def _labels(context: Context) -> Context:
    kept = context.trials.filter((pl.col("noise") == 0) | pl.col("noise_kind").str.ends_with("-labels"))
    return Context(context.key, context.label, kept)


def _panel(context: Context, evals: pl.DataFrame, split: str, value: str, heading: str) -> Panel:
    lines = []
    for (label,), trials in context.arms("noise_label"):
        own = evals.filter(pl.col("trial_id").is_in(trials["trial_id"].to_list()) & (pl.col("split") == split))
        if not own.is_empty():
            style = (trials["noise_kind"].to_list()[0], trials["noise"].to_list()[0])
            lines.append(split_line(own, value, label, style, log=value == "loss"))
    return Panel(heading, tuple(lines), row=context.label)


def _proper(store: Store, context: Context) -> tuple[tuple[tuple[str, float], float], ...]:
    number_of_classes = classes(store, context.trials)
    arms = context.trials.filter(pl.col("noise") > 0).select("noise_kind", "noise").unique().sort("noise")
    if number_of_classes is None:
        return ()
    return tuple(((kind, noise), proper_level(noise, number_of_classes)) for kind, noise in arms.iter_rows())


def _ends(context: Context, evals: pl.DataFrame) -> tuple[tuple[str, str], ...]:
    found = []
    for (label,), trials in context.arms("noise_label"):
        own = evals.filter(pl.col("trial_id").is_in(trials["trial_id"].to_list()))
        train, test = (own.filter(pl.col("split") == split) for split in ("train", "test"))
        said = f"training {said_end(list(end(train).values()))}, test {said_end(list(end(test).values()))}"
        found.append((label, said))
    return tuple(found)


def frame(data: Data) -> pl.DataFrame:
    """The data of the figure, tidy; row = model, panel = quantity, condition = label noise."""
    return tidy(flat(data.rows))


def draw(data: Data, figure: "Figure") -> None:
    """One row per model."""
    grid = grid_of(figure, len(data.rows), 3, width=4.4, height=3.6)
    for axes_row, panels, proper, level in zip(grid, data.rows, data.proper, data.guessing, strict=True):
        for axes, panel in zip(axes_row, panels, strict=True):
            draw_lines(axes, panel, _style)
            step_axis(axes, last_x(panels), label=axes_row is grid[-1])
        share_axis(axes_row[0], level)
        share_axis(axes_row[1], level)
        for style, value in proper:
            axes_row[0].axhline(value, color=noise_style(style[1], style[0]).color, linewidth=1.1, linestyle="--")
        if any(one.x for one in panels[2].lines):
            log_axis(axes_row[2], panels[2:])
        row_label(axes_row[0], panels[0].row, "share of examples")
        axes_row[2].set_ylabel("mean cross-entropy (nats)")
    extra = (("proper accuracy", REFERENCE),) if any(data.proper) else ()
    close(figure, TITLE, data.foot, flat(data.rows), _style, extra)


def _style(one: Line) -> Style:
    return noise_style(one.style[1], one.style[0])


def caption(data: Data) -> tuple[str, ...]:
    """What is seen in these data, a sentence or two per panel."""
    sentences = []
    for panels, ends in zip(data.rows, data.ends, strict=True):
        tops = {one.key: _top(one) for one in panels[1].lines}
        said = [f"{label}: {words}{tops.get(label, '')}" for label, words in ends]
        sentences.append(f"{panels[0].row}, mean of the last evaluations: {'; '.join(said)}.")
    return tuple(sentences)


def _top(one: Line) -> str:
    points = at_most(one, float("inf"))
    if not points:
        return ""
    step, value = max(points, key=lambda point: point[1])
    return f" (highest {number(value)} at step {step:,.0f})"
