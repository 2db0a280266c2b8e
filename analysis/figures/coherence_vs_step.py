"""m-coherence of the probe against step, one line per label noise, one panel per model; the online view below."""

from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING

import polars as pl

from analysis.coherence import plain, probes, sample_sizes, step_line
from analysis.curves import Line, Panel, at_most, ends, line, tidy
from analysis.drawing import (
    draw_line,
    finish,
    footer,
    intervals,
    last_x,
    log_axis,
    orthogonal_limit,
    step_axis,
    wrapped,
)
from analysis.errors import Skipped
from analysis.query import log_window, ratio_of_sums, rescaled
from analysis.store import Store
from analysis.sweeps import Context, Sweep
from analysis.theme import noise_style, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE = "Gradient coherence while training: original against corrupted labels"
PUBLISHED = (
    "Chatterjee and Zielinski (2022) report for ResNet-50 on ImageNet, m = 50,000, a start near 1, a maximum near 40"
    " within the first epochs and a return to about 1 with real labels, and usually below 5 with random labels [S]."
    " The abstract of their 2020 paper has random labels reach the 100s [S]."
)

ONLINE_PER_DECADE = 3
"""A batch is a hundredth of the probe: its ratio needs wider windows to say anything."""

COLUMNS = 4
"""Models side by side."""


@dataclass(frozen=True)
class Data:
    """probe and online: one panel per model, in the same order; epochs: steps per epoch of each."""

    probe: tuple[Panel, ...]
    online: tuple[Panel, ...]
    epochs: tuple[int, ...]
    foot: str


def collect(store: Store, sweep: Sweep) -> Data:
    """Windowed ratio of sums per seed, geometric mean over seeds; raises Skipped without probes."""
    panels, online, epochs = [], [], []
    for context in map(plain, sweep.contexts()):
        panel, sizes = _probe_panel(store, context)
        if panel is None:
            continue
        panels.append(panel)
        online.append(_online_panel(store, context, sizes[-1]))
        epochs.append(context.steps_per_epoch)
    if not panels:
        raise Skipped("no completed trial with the mean aggregator has a probe of the whole network")
    foot = footer(
        sweep,
        intervals(tuple(panels)),
        len(panels),
        "Points: sum of ||S||² over sum of Q in windows of steps (five a decade from step 10, online three);"
        " over seeds on the log scale above, plainly below. The online batch was trained on"
        " longest ago, so it is not the probe's sample: compare shapes, not heights.",
    )
    return Data(tuple(panels), tuple(online), tuple(epochs), foot)


def _probe_panel(store: Store, context: Context) -> tuple[Panel | None, tuple[int, ...]]:
    rows = probes(store, context.trials).filter(pl.col("layer") == "*")
    if rows.is_empty():
        return None, ()
    lines = []
    for (label,), trials in context.arms("noise_label"):
        own = rows.filter(pl.col("trial_id").is_in(trials["trial_id"].to_list()))
        lines.append(step_line(own, label, (trials["noise_kind"][0], trials["noise"][0])))
    sizes = sample_sizes(rows)
    note = "m = " + ", ".join(f"{size:,}" for size in sizes)
    return Panel(context.label, tuple(one for one in lines if one.x), note, "probe"), sizes


def _online_panel(store: Store, context: Context, size: int) -> Panel:
    rows = store.read("steps", context.trials["trial_id"].to_list(), ["trial_id", "step", "n", "q", "s2"])
    units = pl.col("spec").str.json_path_match("$.estimator.k").cast(pl.Int64).fill_null(1)
    rows = rows.join(context.trials.select("trial_id", "seed", units.alias("k")), on="trial_id")
    lines: list[Line] = []
    for (label,), trials in context.arms("noise_label"):
        own = rows.filter(pl.col("trial_id").is_in(trials["trial_id"].to_list()))
        pooled = ratio_of_sums(own.with_columns(log_window(ONLINE_PER_DECADE, alone=False)), ["seed", "window"])
        pooled = pooled.with_columns(rescaled(size).alias("y")).rename({"step": "x"})
        if not pooled.is_empty():
            lines.append(line(pooled, label, (trials["noise_kind"][0], trials["noise"][0]), log=False))
    batch = sample_sizes(rows)
    note = f"batches of {', '.join(map(str, batch))}, rescaled to m = {size:,}: 1 + (m - 1) unbiased alpha"
    return Panel(context.label, tuple(lines), note if batch else "not measured online", "online")


def frame(data: Data) -> pl.DataFrame:
    """The data of the figure, tidy."""
    return tidy((*data.probe, *data.online))


def draw(data: Data, figure: "Figure") -> None:
    """Probe panels above, the smaller online panels below each; further models in further pairs of rows."""
    columns = min(COLUMNS, len(data.probe))
    blocks = -(-len(data.probe) // columns)
    figure.set_size_inches(max(6.5, 5.2 * columns), 0.6 + 6.0 * blocks)
    last = last_x((*data.probe, *data.online))
    grid = figure.subplots(2 * blocks, columns, squeeze=False, height_ratios=(3, 1.4) * blocks, sharex=True)
    for place, (probe, online) in enumerate(zip(data.probe, data.online, strict=True)):
        row, column = 2 * (place // columns), place % columns
        above, below = grid[row][column], grid[row + 1][column]
        _draw_lines(above, probe, last)
        log_axis(above, data.probe)
        above.set_title(wrapped(f"{probe.title}, probe ({probe.note})", 5.2))
        _draw_lines(below, online, last, online=True)
        below.tick_params(labelbottom=True)
        below.set_title("\n".join(wrap(f"online: {online.note}", 80)), fontsize=8, fontweight="normal")
    for row in range(blocks):
        grid[2 * row][0].set_ylabel("m-coherence (examples)")
        grid[2 * row + 1][0].set_ylabel("online, rescaled")
    for axes in grid.T.reshape(-1):
        if not axes.has_data():
            axes.set_visible(False)
    finish(figure, TITLE, data.foot)


def _draw_lines(axes: "Axes", panel: Panel, last: float, *, online: bool = False) -> None:
    for one in panel.lines:
        draw_line(axes, one, noise_style(one.style[1], one.style[0]))
    step_axis(axes, last, label=online)
    if online:
        axes.axhline(1, color="#6b6b6b", linewidth=1, linestyle=(0, (1, 2)))
        axes.set_yscale("symlog", linthresh=10)
        axes.set_yticks([-100, -10, 0, 10, 100, 1000], ["-100", "-10", "0", "10", "100", "1000"])
        return
    orthogonal_limit(axes)
    if panel.lines:
        axes.legend(loc="best")


def caption(data: Data) -> tuple[str, ...]:
    """What is seen in these data, a sentence or two per panel."""
    sentences = []
    for panel, epoch in zip(data.probe, data.epochs, strict=True):
        said = [text for one in panel.lines if (text := _said(one, epoch))]
        sentences.append(f"{panel.title} ({panel.note}): {'; '.join(said)}.")
    return tuple(sentences)


def _said(one: Line, epoch: int) -> str:
    early, both = at_most(one, epoch), ends(one)
    if both is None or not early:
        return ""
    (_, first), (last_step, last) = both
    top_step, top = max(early, key=lambda point: point[1])
    return (
        f"{one.key}: {number(first)} at the first probe, at most {number(top)} within the first epoch"
        f" (near step {top_step:,.0f}), {number(last)} at the end (near step {last_step:,.0f})"
    )
