"""Training accuracy, test accuracy and adjusted overfit: rows by label noise, lines by winsorizing level."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from analysis.curves import Line, Panel, tidy
from analysis.drawing import footer, intervals, last_x
from analysis.errors import Skipped
from analysis.families import architectures
from analysis.grids import REFERENCE, close, draw_lines, flat, grid_of, row_label, shares
from analysis.learning import LAST, classes, end, proper_level, said_interval, split_line, split_lines
from analysis.store import Store
from analysis.sweeps import Context, Sweep
from analysis.theme import GREY, Style, depth_style, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Winsorizing per-example gradients: less memorising, and what it costs"
PUBLISHED = (
    "Winsorizing per-example gradients is in the released code of Chatterjee (2020) [C]. As reported in secondary"
    " notes, levels above 1 % a tail keep training accuracy at or below the proper accuracy, overfit falls with the"
    " level, and large levels cost fit."
)
HEADINGS = ("training accuracy (given labels)", "test accuracy", "adjusted overfit")


@dataclass(frozen=True)
class Row:
    """One label noise. ends: (level, seeds, training, test and overfit in words, training at most proper or not)."""

    panels: tuple[Panel, Panel, Panel]
    proper: float | None
    guessing: float | None
    levels: int
    ends: tuple[tuple[str, int, str, str, str, bool], ...]


@dataclass(frozen=True)
class Data:
    """rows: by model and label noise."""

    rows: tuple[Row, ...]
    foot: str


def collect(store: Store, sweep: Sweep) -> Data:
    """Every label noise that was trained with winsorizing; raises Skipped where there is none."""
    rows, used = [], []
    for context in sweep.contexts():
        chosen = _winsorized(context)
        if chosen is None:
            continue
        used.append(context)
        for (label,), trials in chosen.arms("noise_label"):
            row = _row(store, Context(context.key, context.label, trials), f"{context.label}, {label}")
            if row is not None:
                rows.append(row)
    if not rows:
        raise Skipped("no completed trial winsorizes per-example gradients with original or corrupted labels")
    more = (
        "Adjusted overfit: training accuracy minus what the test accuracy t promises, f/C + (1 - f) t for a share f of"
        " corrupted labels among C classes; dashed: proper accuracy 1 - f + f/C, of a classifier with every original"
        f" label. At the end: mean of the last {LAST} evaluations."
    )
    foot = footer(sweep, intervals(flat([row.panels for row in rows])), architectures(used), more)
    return Data(tuple(rows), foot)


def _winsorized(context: Context) -> Context | None:
    """Mean and winsorized trials on original labels or corrupted ones, if any is winsorized."""
    labels = (pl.col("noise") == 0) | pl.col("noise_kind").str.ends_with("-labels")
    trials = context.trials.filter(labels & pl.col("aggregator_name").is_in(["mean", "winsorized"]))
    if "winsorized" not in trials["aggregator_name"].to_list():
        return None
    level = pl.col("aggregator_level").fill_null(0.0)
    names = pl.when(level == 0).then(pl.lit("mean (level 0)")).otherwise(pl.col("aggregator_label"))
    ordered = trials.with_columns(aggregator_label=names, level=level).sort("level", "position")
    places = pl.col("level").rank("dense").cast(pl.Int64).alias("position")
    return Context(context.key, context.label, ordered.with_columns(places))


def _row(store: Store, context: Context, title: str) -> Row | None:
    found = split_lines(store, context, ("train", "test"))
    number_of_classes = classes(store, context.trials)
    if not found["train"] or number_of_classes is None:
        return None
    noise = float(context.trials["noise"].to_list()[0])
    places = dict(context.trials.select("aggregator_label", "position").iter_rows())
    lines: tuple[list[Line], list[Line], list[Line]] = ([], [], [])
    ends = []
    proper = proper_level(noise, number_of_classes)
    tests = dict(found["test"])
    for label, train in found["train"]:
        test = tests.get(label, train.clear())
        frames = (train, test, _overfit(train, test, noise, number_of_classes))
        for column, rows in zip(lines, frames, strict=True):
            if not rows.is_empty():
                column.append(split_line(rows, "accuracy", label, ("level", float(places[label] - 1))))
        fitted, tested, overfit = (list(end(rows).values()) for rows in frames)
        within = bool(fitted) and sum(fitted) / len(fitted) <= proper
        first_said, second_said, third_said = (said_interval(values) for values in (fitted, tested, overfit))
        ends.append((label, len(fitted), first_said, second_said, third_said, within))
    first, second, third = (
        Panel(heading, tuple(column), row=title) for heading, column in zip(HEADINGS, lines, strict=True)
    )
    levels = max(places.values())
    return Row((first, second, third), proper if noise else None, 1 / number_of_classes, levels, tuple(ends))


def _overfit(train: pl.DataFrame, test: pl.DataFrame, noise: float, number_of_classes: int) -> pl.DataFrame:
    """Training accuracy - [f/C + (1 - f) test accuracy], evaluation by evaluation, in column `accuracy`."""
    tested = test.select("trial_id", "step", pl.col("accuracy").alias("tested"))
    promised = noise / number_of_classes + (1 - noise) * pl.col("tested")
    return train.join(tested, on=["trial_id", "step"]).with_columns(
        accuracy=pl.col("accuracy") - promised, split=pl.lit("overfit")
    )


def frame(data: Data) -> pl.DataFrame:
    """The data of the figure, tidy; row = model and label noise, panel = quantity, condition = level."""
    return tidy(flat([row.panels for row in data.rows]))


def draw(data: Data, figure: "Figure") -> None:
    """A row per label noise: training accuracy, test accuracy, adjusted overfit."""
    grid = grid_of(figure, len(data.rows), 3, width=4.3, height=2.5)
    levels = max(row.levels for row in data.rows)

    def style(one: Line) -> Style:
        return level_style(one, levels)

    limits = _limits([row.panels[2] for row in data.rows])
    for axes_row, row in zip(grid, data.rows, strict=True):
        for axes, panel in zip(axes_row, row.panels, strict=True):
            draw_lines(axes, panel, style, strength=0.45, heading=axes_row is grid[0])
            axes.set_xlim(0, last_x(row.panels) * 1.02)
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
            if axes_row is grid[-1]:
                axes.set_xlabel("step (updates made)")
        shares(axes_row[0], row.guessing, row.proper)
        shares(axes_row[1], row.guessing)
        axes_row[2].axhline(0, color=GREY, linewidth=0.8)
        axes_row[2].set_ylim(*limits)
        row_label(axes_row[0], row.panels[0].row, "share of examples")
    extra = (("proper accuracy", REFERENCE),) if any(row.proper for row in data.rows) else ()
    close(figure, TITLE, data.foot, flat([row.panels for row in data.rows]), style, extra)


def _limits(panels: list[Panel]) -> tuple[float, float]:
    """The range of all centres with some room; single seeds may leave it."""
    values = [y for panel in panels for one in panel.lines for y in one.center if y is not None]
    return min([*values, 0.0]) - 0.08, max([*values, 0.1]) + 0.08


def level_style(one: Line, levels: int) -> Style:
    """A ramp from plain averaging (dark) to the highest level (light)."""
    return depth_style(int(one.style[1]), levels)


def caption(data: Data) -> tuple[str, ...]:
    """What is seen in these data, a sentence or two per panel."""
    sentences = []
    for row in data.rows:
        said = [
            f"{label} (n = {count}): training {fitted}"
            + (f" ({'at or below' if within else 'above'} the proper {number(row.proper)})" if row.proper else "")
            + f", test {tested}, overfit {overfit}"
            for label, count, fitted, tested, overfit, within in row.ends
        ]
        sentences.append(f"{row.panels[0].row}, at the end: {'; '.join(said)}.")
    return tuple(sentences)
