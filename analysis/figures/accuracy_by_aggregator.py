"""Accuracy on corrupt, pristine and test examples per aggregator, and the averages at the end."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from analysis.curves import Line, Panel, tidy
from analysis.drawing import describe, draw_line, footer, intervals, last_x, share_axis
from analysis.errors import Skipped
from analysis.families import architectures
from analysis.grids import close, flat, row_label, shares
from analysis.learning import (
    HEADINGS,
    LAST,
    SPLITS,
    accuracy_line,
    aggregator_styles,
    chance,
    evaluations,
    partly_corrupt,
)
from analysis.query import last_mean
from analysis.stats import interval
from analysis.store import Store
from analysis.sweeps import Context, Sweep
from analysis.theme import Style, aggregator_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE = "Which labels are learnt under which aggregation"
PUBLISHED = (
    "Zielinski, Krishnan and Chatterjee (2020) state that medians of three gradients (M3, RM3) suppress memorisation"
    " in large networks [S]; winsorizing per-example gradients is in the released code of Chatterjee (2020) [C]."
)


@dataclass(frozen=True)
class Final:
    """Mean of the last evaluations of one aggregator on one split, over seeds."""

    row: str
    split: str
    aggregator: str
    style: tuple[str, float]
    values: tuple[float, ...]
    center: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Data:
    """rows: three panels (corrupt, pristine, test) per model and corruption; finals in the same order."""

    rows: tuple[tuple[Panel, Panel, Panel], ...]
    finals: tuple[tuple[Final, ...], ...]
    guessing: tuple[float | None, ...]
    foot: str


def collect(store: Store, sweep: Sweep) -> Data:
    """Every corruption of some but not all labels that was trained with two aggregators or more."""
    rows, finals, guessing, used = [], [], [], []
    for context in sweep.contexts():
        for label, chosen in partly_corrupt(context):
            if chosen.trials["aggregator_label"].n_unique() < 2:
                continue
            evals = evaluations(store, chosen.trials)
            title = f"{context.label}, {label}"
            first, second, third = (_panel(chosen, evals, split, title) for split in SPLITS)
            rows.append((first, second, third))
            finals.append(_finals(chosen, evals, title))
            guessing.append(chance(store, chosen))
            used.append(context)
    if not rows:
        raise Skipped("no model has completed trials with two aggregators and partly corrupted labels")
    panels = tuple(panel for row in rows for panel in row)
    foot = footer(sweep, intervals(panels), architectures(used), f"At the end: mean of the last {LAST} evaluations.")
    return Data(tuple(rows), tuple(finals), tuple(guessing), foot)


def _panel(context: Context, evals: pl.DataFrame, split: str, title: str) -> Panel:
    lines: list[Line] = []
    for label, style in aggregator_styles(context).items():
        ids = context.trials.filter(pl.col("aggregator_label") == label)["trial_id"].to_list()
        own = evals.filter(pl.col("trial_id").is_in(ids) & (pl.col("split") == split))
        if not own.is_empty():
            lines.append(accuracy_line(own, label, style))
    return Panel(HEADINGS[split], tuple(lines), row=title)


def _finals(context: Context, evals: pl.DataFrame, title: str) -> tuple[Final, ...]:
    means = last_mean(evals, evaluations=LAST).join(context.trials, on="trial_id").sort("seed")
    finals = []
    for label, style in aggregator_styles(context).items():
        for split in SPLITS:
            own = means.filter((pl.col("aggregator_label") == label) & (pl.col("split") == split))["accuracy"]
            if own.len():
                center, low, high = interval(own.to_numpy())
                known = own.len() > 1
                values = tuple(own.to_list())
                finals.append(
                    Final(title, split, label, style, values, center, low if known else None, high if known else None)
                )
    return tuple(finals)


def frame(data: Data) -> pl.DataFrame:
    """The curves, tidy; the averages at the end follow with condition `<aggregator>` and panel `end: <split>`."""
    curves = tidy(panel for row in data.rows for panel in row)
    rows = [
        (
            f"end: {one.split}",
            one.row,
            one.aggregator,
            None,
            0,
            None,
            one.center,
            one.low,
            one.high,
            None,
            len(one.values),
        )
        for finals in data.finals
        for one in finals
    ]
    return pl.concat([curves, pl.DataFrame(rows, schema=curves.schema, orient="row")])


def draw(data: Data, figure: "Figure") -> None:
    """One row per model and corruption: three curves and the averages at the end."""
    count = len(data.rows)
    figure.set_size_inches(13, 1.4 + 3.1 * count)
    grid = figure.subplots(count, 4, squeeze=False, width_ratios=(1, 1, 1, 0.95))
    for axes_row, panels, finals, level in zip(grid, data.rows, data.finals, data.guessing, strict=True):
        for axes, panel in zip(axes_row, panels, strict=False):
            for one in panel.lines:
                draw_line(axes, one, _style(one.style))
            axes.set_xlim(0, last_x(panels) * 1.02)
            axes.set_xlabel("step (updates made)")
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
            shares(axes, level)
            axes.set_title(panel.title, fontweight="normal")
        row_label(axes_row[0], panels[0].row, "share of examples")
        _draw_finals(axes_row[3], finals)
    close(figure, TITLE, data.foot, flat(data.rows), lambda one: _style(one.style))


def _draw_finals(axes: "Axes", finals: tuple[Final, ...]) -> None:
    names = list(dict.fromkeys(one.aggregator for one in finals))
    apart = min(0.16, 0.7 / len(names))
    for one in finals:
        place = SPLITS.index(one.split) + apart * (names.index(one.aggregator) - (len(names) - 1) / 2)
        style = _style(one.style)
        if one.low is not None and one.high is not None:
            axes.plot([place, place], [one.low, one.high], color=style.color, linewidth=2, alpha=0.6)
        axes.plot(
            [place] * len(one.values),
            one.values,
            "_",
            color=style.color,
            markersize=5,
            alpha=0.6,
            label=f"_{one.aggregator}, by seed",
        )
        axes.plot(
            place,
            one.center,
            style.marker,
            color=style.color,
            markersize=5,
            label=f"_{one.aggregator} (n = {len(one.values)})",
        )
    axes.set_xticks(range(len(SPLITS)), SPLITS)
    axes.set_xlim(-0.5, len(SPLITS) - 0.5)
    share_axis(axes, None)
    axes.grid(False, axis="x")
    axes.set_title(f"mean of the last {LAST} evaluations", fontweight="normal")


def _style(style: tuple[str, float]) -> Style:
    return aggregator_style(style[0], int(style[1]))


def caption(data: Data) -> tuple[str, ...]:
    """What is seen in these data, a sentence or two per panel."""
    sentences = []
    for finals in data.finals:
        for split, words in (("corrupt", "share of corrupt labels predicted at the end"), ("test", "test accuracy")):
            said = [
                f"{one.aggregator} {describe(one.center, one.low, one.high)} (n = {len(one.values)})"
                for one in finals
                if one.split == split
            ]
            sentences.append(f"{finals[0].row}, {words}: {', '.join(said)}.")
    return tuple(sentences)
