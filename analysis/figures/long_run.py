"""Delay or prevention? Corrupt, pristine and test accuracy until plain averaging has memorised the corrupt labels."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from analysis.curves import Line, Panel, tidy
from analysis.drawing import footer, intervals, last_x
from analysis.errors import Skipped
from analysis.families import architectures
from analysis.grids import close, draw_lines, flat, grid_of, row_label, shares
from analysis.learning import (
    HEADINGS,
    LAST,
    LEVEL,
    SPLITS,
    aggregator_styles,
    chance,
    end,
    partly_corrupt,
    said_end,
    split_line,
    split_lines,
)
from analysis.query import steps_to
from analysis.store import Store
from analysis.sweeps import Context, Sweep
from analysis.theme import GREY, Style, aggregator_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Delayed or prevented? Trained until plain averaging has memorised the corrupt labels"
PUBLISHED = (
    "The abstract of Zielinski, Krishnan and Chatterjee (2020) states that medians of three gradients suppress"
    " memorising [S]. How they fare when trained for longer is not known here from any paper."
)
MEMORISED = 0.75
"""Share of corrupt labels that plain averaging must predict at the end; before, delay looks like prevention."""


@dataclass(frozen=True)
class Row:
    """One model and label noise. said: per aggregator, when half of the corrupt labels were learnt, and the end."""

    panels: tuple[Panel, ...]
    guessing: float | None
    said: tuple[str, ...]


@dataclass(frozen=True)
class Data:
    """rows: by model and label noise."""

    rows: tuple[Row, ...]
    foot: str


def collect(store: Store, sweep: Sweep) -> Data:
    """Every label noise that plain averaging has memorised and another aggregator was trained on, as long."""
    rows, used = [], []
    for context in sweep.contexts():
        for label, chosen in partly_corrupt(context):
            found = split_lines(store, chosen, SPLITS)
            ends = {name: list(end(frame).values()) for name, frame in found["corrupt"]}
            reached = ends.get("mean", [])
            if len(ends) > 1 and reached and sum(reached) / len(reached) >= MEMORISED:
                rows.append(_row(store, chosen, found, f"{context.label}, {label}"))
                used.append(context)
    if not rows:
        raise Skipped(
            f"no model with two aggregators was trained until plain averaging predicts {100 * MEMORISED:g} % of the"
            " corrupt labels; before that, delaying and preventing look alike"
        )
    more = f"Bars: half of the corrupt labels predicted, by seed. At the end: mean of the last {LAST} evaluations."
    foot = footer(sweep, intervals(flat([row.panels for row in rows])), architectures(used), more)
    return Data(tuple(rows), foot)


def _row(store: Store, context: Context, found: dict[str, list[tuple[str, pl.DataFrame]]], title: str) -> Row:
    styles = aggregator_styles(context)
    panels = tuple(
        Panel(
            heading,
            tuple(split_line(rows, "accuracy", name, styles[name]) for name, rows in found[split]),
            row=title,
        )
        for split, heading in HEADINGS.items()
    )
    tests = dict(found["test"])
    said = []
    for name, rows in found["corrupt"]:
        test = said_end(list(end(tests[name]).values())) if name in tests else "undefined"
        said.append(f"{name}: {_half(rows)}, {said_end(list(end(rows).values()))} at the end, test {test}")
    return Row(panels, chance(store, context), tuple(said))


def _half(rows: pl.DataFrame) -> str:
    reached = steps_to(rows, LEVEL)["reached"]
    steps = sorted(reached.drop_nulls().to_list())
    never = reached.null_count()
    if not steps:
        return "half never predicted"
    span = f"{steps[0]:,}" if steps[0] == steps[-1] else f"{steps[0]:,} to {steps[-1]:,}"
    return f"half predicted at step {span}" + (f" (never in {never} of {never + len(steps)} seeds)" if never else "")


def frame(data: Data) -> pl.DataFrame:
    """The data of the figure, tidy; row = model and label noise, panel = split, condition = aggregator."""
    return tidy(flat([row.panels for row in data.rows]))


def draw(data: Data, figure: "Figure") -> None:
    """One row per model and label noise."""
    grid = grid_of(figure, len(data.rows), 3, width=4.4, height=3.4)
    for axes_row, row in zip(grid, data.rows, strict=True):
        for axes, panel in zip(axes_row, row.panels, strict=True):
            draw_lines(axes, panel, _style)
            axes.set_xlim(0, last_x(row.panels) * 1.02)
            axes.set_xlabel("step (updates made)")
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
            shares(axes, row.guessing)
        axes_row[0].axhline(LEVEL, color=GREY, linewidth=0.8)
        for one in row.panels[0].lines:
            for xs, ys in zip(one.seed_x, one.seed_y, strict=True):
                step = next((x for x, y in zip(xs, ys, strict=True) if y is not None and y >= LEVEL), None)
                if step is not None:
                    mark = {"markersize": 11, "markeredgewidth": 1.4, "color": _style(one).color}
                    axes_row[0].plot(step, LEVEL, "|", **mark, label=f"_{one.key}: half reached")  # type: ignore[arg-type]
        row_label(axes_row[0], row.panels[0].row, "share of examples")
    close(figure, TITLE, data.foot, flat([row.panels for row in data.rows]), _style)


def _style(one: Line) -> Style:
    return aggregator_style(one.style[0], int(one.style[1]))


def caption(data: Data) -> tuple[str, ...]:
    """What is seen in these data, a sentence or two per panel."""
    return tuple(f"{row.panels[0].row}, corrupt labels: {'; '.join(row.said)}." for row in data.rows)
