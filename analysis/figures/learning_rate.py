"""Accuracy at the end against the learning rate, one line per aggregator, with each aggregator's own best rate."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import polars as pl

from analysis.curves import Line, Panel, line, tidy
from analysis.drawing import footer, intervals
from analysis.errors import Skipped
from analysis.families import Family, architectures, families
from analysis.grids import Entry, close, draw_lines, flat, grid_of, row_label, shares
from analysis.learning import HEADINGS, LAST, SPLITS, aggregator_styles, chance, evaluations, partly_corrupt
from analysis.query import last_mean
from analysis.rates import RATE_RULE, best_rate
from analysis.store import Store
from analysis.sweeps import Context, Sweep
from analysis.theme import GREY, Style, aggregator_style, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE = "Each aggregator at its own learning rate"
PUBLISHED = "No published comparison at each rule's own best learning rate is at hand."
CHOSEN_BY = "pristine"
"""Split whose accuracy at the end chooses an aggregator's rate: training examples only, and no corrupt label counts."""


@dataclass(frozen=True)
class Row:
    """One model and label noise. best: aggregator -> its learning rate; said: in words, per aggregator."""

    panels: tuple[Panel, ...]
    best: dict[str, float]
    guessing: float | None
    said: tuple[str, ...]


@dataclass(frozen=True)
class Data:
    """rows: by model and label noise."""

    rows: tuple[Row, ...]
    foot: str


def collect(store: Store, sweep: Sweep) -> Data:
    """Every label noise that was trained at two learning rates or more; raises Skipped without one."""
    rows, used = [], []
    for family in families(sweep.contexts(), _rate):
        if len(family.members) < 2:
            continue
        for label, chosen in _by_noise(family):
            if len(chosen) > 1:
                rows.append(_row(store, family, label, chosen))
                used.append(chosen[0][1])
    if not rows:
        raise Skipped("no corruption of some of the labels was trained at two learning rates")
    more = f"Mean of the last {LAST} evaluations. Ringed: {RATE_RULE}; test labels choose nothing."
    foot = footer(sweep, intervals(flat([row.panels for row in rows])), architectures(used), more)
    return Data(tuple(rows), foot)


def _rate(fields: dict[str, Any]) -> float:
    return float(fields["optimizer"].pop("lr"))


def _by_noise(family: Family) -> list[tuple[str, list[tuple[float, Context]]]]:
    grouped: dict[str, list[tuple[float, Context]]] = {}
    for rate, context in sorted(family.members, key=lambda member: float(member[0])):
        for label, chosen in partly_corrupt(context):
            grouped.setdefault(label, []).append((rate, chosen))
    return list(grouped.items())


def _row(store: Store, family: Family, label: str, members: list[tuple[float, Context]]) -> Row:
    styles: dict[str, tuple[str, float]] = {}
    frames = []
    for rate, context in members:
        styles |= {name: style for name, style in aggregator_styles(context).items() if name not in styles}
        means = last_mean(evaluations(store, context.trials), evaluations=LAST)
        frames.append(means.join(context.trials, on="trial_id").with_columns(rate=pl.lit(rate)))
    ends = pl.concat([frame.select("seed", "aggregator_label", "split", "rate", "accuracy") for frame in frames])
    panels = tuple(
        Panel(heading, _lines(ends.filter(pl.col("split") == split), styles), row=f"{family.label}, {label}")
        for split, heading in HEADINGS.items()
    )
    best = {one.key: top for one in panels[SPLITS.index(CHOSEN_BY)].lines if (top := _highest(one)) is not None}
    return Row(panels, best, chance(store, members[0][1]), _said(panels, best))


def _lines(ends: pl.DataFrame, styles: dict[str, tuple[str, float]]) -> tuple[Line, ...]:
    lines = []
    for name, style in styles.items():
        own = ends.filter(pl.col("aggregator_label") == name)
        if not own.is_empty():
            points = own.select("seed", pl.col("rate").alias("window"), pl.col("rate").alias("x"), y=pl.col("accuracy"))
            # The mean of equal rates over seeds is not that rate to the last bit.
            rates = tuple(sorted(own["rate"].unique().to_list()))
            lines.append(replace(line(points, name, style, log=False), x=rates))
    return tuple(lines)


def _highest(one: Line) -> float | None:
    points = {x: y for x, y in zip(one.x, one.center, strict=True) if x is not None and y is not None}
    return best_rate(points) if points else None


def _at(one: Line, rate: float) -> float | None:
    return dict(zip(one.x, one.center, strict=True)).get(rate)


def _said(panels: tuple[Panel, ...], best: dict[str, float]) -> tuple[str, ...]:
    said = []
    for name, rate in best.items():
        found = ((split, one) for split, panel in zip(SPLITS, panels, strict=True) for one in panel.lines)
        parts = [(split, one) for split, one in found if one.key == name]
        values = ", ".join(f"{split} {number(_at(one, rate))}" for split, one in parts)
        said.append(f"{name} at {rate:g}: {values} (n = {len(parts[0][1].seeds)})")
    return tuple(said)


def frame(data: Data) -> pl.DataFrame:
    """The data of the figure, tidy; x = learning rate, panel = split, condition = aggregator."""
    return tidy(flat([row.panels for row in data.rows]))


def draw(data: Data, figure: "Figure") -> None:
    """One row per model and label noise."""
    grid = grid_of(figure, len(data.rows), 3, width=4.4, height=3.4)
    for axes_row, row in zip(grid, data.rows, strict=True):
        for axes, panel in zip(axes_row, row.panels, strict=True):
            draw_lines(axes, panel, _style, strength=0.4)
            _rate_axis(axes, panel)
            for one in panel.lines:
                best = row.best.get(one.key)
                value = None if best is None else _at(one, best)
                if best is not None and value is not None:
                    ring = {
                        "markersize": 11,
                        "markerfacecolor": "none",
                        "markeredgewidth": 1.6,
                        "label": f"_{one.key}: own best rate",
                    }
                    axes.plot(best, value, "o", markeredgecolor=_style(one).color, zorder=4, **ring)  # type: ignore[arg-type]
            shares(axes, row.guessing)
        row_label(axes_row[0], row.panels[0].row, "share of examples")
    ringed: tuple[Entry, ...] = (("ringed: own best rate", Style(GREY, "", "")),)
    close(figure, TITLE, data.foot, flat([row.panels for row in data.rows]), _style, ringed)


def _rate_axis(axes: "Axes", panel: Panel) -> None:
    rates = sorted({x for one in panel.lines for x in one.x if x is not None})
    axes.set_xscale("log")
    axes.set_xticks(rates, [f"{rate:g}" for rate in rates])
    axes.minorticks_off()
    axes.set_xlabel("learning rate")


def _style(one: Line) -> Style:
    return aggregator_style(one.style[0], int(one.style[1]))


def caption(data: Data) -> tuple[str, ...]:
    """What is seen in these data, a sentence or two per panel."""
    return tuple(f"{row.panels[0].row}, each at its own best rate: {'; '.join(row.said)}." for row in data.rows)
