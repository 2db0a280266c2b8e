"""Noise in place of images: training and test accuracy by winsorizing level, and coherence under plain averaging."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from analysis.coherence import plain, probes, sample_sizes, step_line
from analysis.curves import Line, Panel, at_most, ends, tidy
from analysis.drawing import footer, intervals, last_x, log_axis, orthogonal_limit, step_axis
from analysis.errors import Skipped
from analysis.families import architectures
from analysis.grids import StyleOf, blank, close, draw_lines, flat, grid_of, row_label, shares
from analysis.learning import LAST, chance, end, said_end, split_line, split_lines
from analysis.store import Store
from analysis.sweeps import Context, Sweep
from analysis.theme import Style, depth_style, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE = "Noise in place of images: memorising by winsorizing level, coherence under plain averaging"
PUBLISHED = (
    "No published number is at hand for random pixels. As reported in secondary notes, very large winsorizing levels"
    " destabilise training."
)
UNITS = ("training accuracy", "test accuracy", "m-coherence (mean)")


@dataclass(frozen=True)
class Column:
    """One share of noise images. panels: training accuracy, test accuracy, m-coherence; said: in words."""

    panels: tuple[Panel, Panel, Panel]
    guessing: float | None
    said: str


@dataclass(frozen=True)
class Data:
    """blocks: one per model, its columns by share of noise images; levels: how many winsorizing levels."""

    blocks: tuple[tuple[Column, ...], ...]
    levels: int
    foot: str


def collect(store: Store, sweep: Sweep) -> Data:
    """Every model that was trained on images replaced by noise; raises Skipped without one."""
    blocks, used = [], []
    for context in sweep.contexts():
        chosen = _pixels(context)
        if chosen is None:
            continue
        columns = [
            _column(store, Context(chosen.key, chosen.label, trials), _images(label))
            for (label,), trials in chosen.arms("noise_label")
        ]
        blocks.append(tuple(columns))
        used.append(chosen)
    if not blocks:
        raise Skipped("no completed trial has its images replaced by noise or their pixels shuffled")
    panels = tuple(panel for block in blocks for column in block for panel in column.panels)
    more = (
        f"At the end: mean of the last {LAST} evaluations. m-coherence: sum of ||S||² over sum of Q in windows of"
        " steps; over seeds on the log scale."
    )
    levels = max(context.trials["position"].n_unique() for context in used)
    return Data(tuple(blocks), levels, footer(sweep, intervals(panels), architectures(used), more))


def _pixels(context: Context) -> Context | None:
    """Mean and winsorized trials on original images or noise, if any has noise; position: rank of the level."""
    pixels = pl.col("noise_kind").str.ends_with("-pixels")
    known = pl.col("aggregator_name").is_in(["mean", "winsorized"])
    trials = context.trials.filter((pixels | (pl.col("noise_kind") == "none")) & known)
    if trials.filter(pixels).is_empty():
        return None
    level = pl.col("aggregator_level").fill_null(0.0)
    ranked = trials.with_columns(position=level.rank("dense").cast(pl.Int64))
    return Context(context.key, context.label, ranked.sort("position"))


def _images(label: str) -> str:
    return "original images" if label == "original labels" else label


def _column(store: Store, context: Context, label: str) -> Column:
    places = dict(context.trials.select("aggregator_label", "position").iter_rows())
    found = split_lines(store, context, ("train", "test"))
    train, test = (
        tuple(split_line(rows, "accuracy", name, ("level", float(places[name] - 1))) for name, rows in found[split])
        for split in ("train", "test")
    )
    coherence, note = _coherence(store, plain(context), "mean")
    panels = (
        Panel(label, train, row=f"{context.label}: {UNITS[0]}"),
        Panel(label, test, row=f"{context.label}: {UNITS[1]}"),
        Panel(label, coherence, note, row=f"{context.label}: {UNITS[2]}"),
    )
    fitted = [f"{name} {said_end(list(end(rows).values()))}" for name, rows in found["train"]]
    said = f"{context.label}, {label}: training accuracy at the end {', '.join(fitted)}{_humps(coherence)}."
    return Column(panels, chance(store, context), said)


def _coherence(store: Store, context: Context, key: str) -> tuple[tuple[Line, ...], str]:
    rows = probes(store, context.trials).filter(pl.col("layer") == "*")
    if rows.is_empty():
        return (), "no probe"
    sizes = ", ".join(f"{size:,}" for size in sample_sizes(rows))
    return (step_line(rows, key, ("level", 0.0)),), f"m = {sizes}"


def _humps(lines: tuple[Line, ...]) -> str:
    both = ends(lines[0]) if lines else None
    if both is None:
        return ""
    step, top = max(at_most(lines[0], float("inf")), key=lambda point: point[1])
    return (
        f"; m-coherence {number(both[0][1])} at the first probe, highest window {number(top)} near step {step:,.0f},"
        f" {number(both[1][1])} in the last"
    )


def frame(data: Data) -> pl.DataFrame:
    """The data of the figure, tidy; panel = share of noise images, row = model and quantity."""
    return tidy(panel for block in data.blocks for column in block for panel in column.panels)


def draw(data: Data, figure: "Figure") -> None:
    """Three rows per model, a column per share of noise images."""
    width = max(len(block) for block in data.blocks)
    grid = grid_of(figure, 3 * len(data.blocks), width, width=4.3, height=2.7)

    def style(one: Line) -> Style:
        return depth_style(int(one.style[1]), data.levels)

    for index, block in enumerate(data.blocks):
        rows = grid[3 * index : 3 * index + 3]
        for place in range(width):
            if place < len(block):
                _draw_column([row[place] for row in rows], block, block[place], style)
            else:
                for row in rows:
                    row[place].set_visible(False)
        for row, panel in zip(rows, block[0].panels, strict=True):
            row_label(row[0], panel.row.rsplit(": ", 1)[0], panel.row.rsplit(": ", 1)[1])
    close(figure, TITLE, data.foot, flat([column.panels[:2] for block in data.blocks for column in block]), style)


def _draw_column(axes_column: list["Axes"], block: tuple[Column, ...], column: Column, style: StyleOf) -> None:
    for axes, panel in zip(axes_column, column.panels, strict=True):
        draw_lines(axes, panel, style, heading=axes is axes_column[0])
        step_axis(axes, last_x(column.panels), label=axes is axes_column[2])
    for axes in axes_column[:2]:
        shares(axes, column.guessing)
    if column.panels[2].lines:
        log_axis(axes_column[2], [other.panels[2] for other in block])
        orthogonal_limit(axes_column[2])
        axes_column[2].set_title(column.panels[2].note, fontsize=8, fontweight="normal")
    else:
        blank(axes_column[2], "no probe under plain averaging")


def caption(data: Data) -> tuple[str, ...]:
    """What is seen in these data, a sentence or two per panel."""
    return tuple(column.said for block in data.blocks for column in block)
