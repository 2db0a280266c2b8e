"""Median or averaging? Median and mean of three whole batches, at as many updates, beside the rolling forms."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from analysis.batches import Tripled, batch_size, tripled
from analysis.curves import Line, Panel, tidy
from analysis.drawing import footer, intervals, last_x
from analysis.errors import Skipped
from analysis.families import architectures
from analysis.grids import close, draw_lines, flat, grid_of, row_label, shares
from analysis.learning import (
    HEADINGS,
    LAST,
    SPLITS,
    chance,
    end,
    partly_corrupt,
    said_interval,
    split_line,
    split_lines,
)
from analysis.store import Store
from analysis.sweeps import Context, Sweep
from analysis.theme import Style, aggregator_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "The median or the averaging? One batch and three batches, as many updates"
PUBLISHED = (
    "The abstract of Zielinski, Krishnan and Chatterjee (2020) states that medians of three gradients suppress"
    " memorising [S]; in the released code one update takes three consecutive batches, and there is a rolling mean of"
    " three too [C]."
)
RULES = ("mean", "median-of-3", "rolling-median-of-3", "rolling-mean-of-3")
CONTRASTS = (
    ("median-of-3", 3, "mean", 3, "the median of three batches against their mean"),
    ("rolling-median-of-3", 1, "rolling-mean-of-3", 1, "the rolling median against the rolling mean"),
    ("mean", 3, "mean", 1, "averaging three times as many examples against one batch"),
    ("median-of-3", 1, "mean", 1, "the median of thirds of a batch against its mean"),
)


@dataclass(frozen=True)
class Row:
    """One model and label noise. said: a sentence per contrast of corrupt accuracy at the end, paired by seed."""

    panels: tuple[Panel, ...]
    guessing: float | None
    said: tuple[str, ...]


@dataclass(frozen=True)
class Data:
    """rows: by model and label noise."""

    rows: tuple[Row, ...]
    foot: str


def collect(store: Store, sweep: Sweep) -> Data:
    """Every label noise that was trained at a batch and at three times the batch; raises Skipped without one."""
    rows, used = [], []
    for pair in tripled(sweep.contexts()):
        single, triple = (dict(partly_corrupt(context)) for context in (pair.single, pair.triple))
        for label in [label for label in single if label in triple]:
            rows.append(_row(store, pair, single[label], triple[label], label))
            used.append(pair.single)
    if not rows:
        raise Skipped("no corruption of some of the labels was trained both at a batch and at three times that batch")
    more = f"At the end: mean of the last {LAST} evaluations; differences are paired by seed."
    foot = footer(sweep, intervals(flat([row.panels for row in rows])), architectures(used), more)
    return Data(tuple(rows), foot)


def _row(store: Store, pair: Tripled, single: Context, triple: Context, label: str) -> Row:
    lines: dict[str, list[Line]] = {split: [] for split in SPLITS}
    ends: dict[tuple[str, int], dict[int, float]] = {}
    for times, context in ((1, single), (3, triple)):
        for split, arms in split_lines(store, context, SPLITS).items():
            for name, rows in arms:
                if name not in RULES:
                    continue
                key = f"{name}, batch {batch_size(context)}"
                lines[split].append(split_line(rows, "accuracy", key, (name, float(times > 1))))
                if split == "corrupt":
                    ends[name, times] = end(rows)
    title = f"{pair.label}, {label}"
    panels = tuple(Panel(heading, tuple(lines[split]), row=title) for split, heading in HEADINGS.items())
    return Row(panels, chance(store, single), _said(ends))


def _said(ends: dict[tuple[str, int], dict[int, float]]) -> tuple[str, ...]:
    said = []
    for first, first_times, second, second_times, words in CONTRASTS:
        one, other = ends.get((first, first_times), {}), ends.get((second, second_times), {})
        seeds = sorted(set(one) & set(other))
        if seeds:
            text = said_interval([one[seed] - other[seed] for seed in seeds])
            said.append(f"{words}: {text} (n = {len(seeds)})")
    return tuple(said)


def frame(data: Data) -> pl.DataFrame:
    """The data of the figure, tidy; row = model and label noise, panel = split, condition = aggregator and batch."""
    return tidy(flat([row.panels for row in data.rows]))


def draw(data: Data, figure: "Figure") -> None:
    """One row per model and label noise; three times the batch is dashed, with another marker."""
    grid = grid_of(figure, len(data.rows), 3, width=4.4, height=3.4)
    for axes_row, row in zip(grid, data.rows, strict=True):
        for axes, panel in zip(axes_row, row.panels, strict=True):
            draw_lines(axes, panel, _style, strength=0.4)
            axes.set_xlim(0, last_x(row.panels) * 1.02)
            axes.set_xlabel("step (updates made)")
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
            shares(axes, row.guessing)
        row_label(axes_row[0], row.panels[0].row, "share of examples")
    close(figure, TITLE, data.foot, flat([row.panels for row in data.rows]), _style)


def _style(one: Line) -> Style:
    return aggregator_style(one.style[0], int(one.style[1]))


def caption(data: Data) -> tuple[str, ...]:
    """What is seen in these data, a sentence or two per panel."""
    return tuple(
        f"{row.panels[0].row}, difference of corrupt labels predicted at the end: {'; '.join(row.said)}."
        for row in data.rows
    )
