"""m-coherence of the probe against training loss: the comparison at equal progress of fitting."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from analysis.coherence import plain, probes, sample_sizes
from analysis.curves import Line, Panel, ends, line, tidy
from analysis.drawing import draw_line, finish, footer, intervals, log_axis, orthogonal_limit, wrapped
from analysis.errors import Skipped
from analysis.query import log_window, ratio_of_sums
from analysis.stats import Array
from analysis.store import Store
from analysis.sweeps import Context, Sweep
from analysis.theme import noise_style, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Gradient coherence at equal training loss"
PUBLISHED = (
    "Chatterjee and Zielinski (2022) draw the same against training loss: about 20 for ResNet-50 on ImageNet with real"
    " labels while the loss is coming down [S]."
)

COLUMNS = 4
"""Models side by side."""


@dataclass(frozen=True)
class Data:
    """One panel per model."""

    panels: tuple[Panel, ...]
    foot: str


def collect(store: Store, sweep: Sweep) -> Data:
    """Probes at evaluated steps, pooled in the same step windows as the figure against step.

    Within a window: x is the mean training loss, y the ratio of sums. Over seeds both are geometric means.
    """
    panels = [panel for context in map(plain, sweep.contexts()) if (panel := _panel(store, context)).lines]
    if not panels:
        raise Skipped("no completed trial with the mean aggregator has a probe and a training loss at the same step")
    more = (
        "Points: the step windows of the figure against step, at the window's mean training loss;"
        " fitting runs from left to right; square-root loss axis."
    )
    return Data(tuple(panels), footer(sweep, intervals(tuple(panels)), len(panels), more))


def _panel(store: Store, context: Context) -> Panel:
    rows = probes(store, context.trials).filter(pl.col("layer") == "*")
    evals = store.read("evals", context.trials["trial_id"].to_list(), ["trial_id", "step", "split", "loss"])
    loss = evals.filter((pl.col("split") == "train") & (pl.col("loss") > 0)).select("trial_id", "step", "loss")
    both = rows.join(loss, on=["trial_id", "step"]).with_columns(log_window())
    lines = []
    for (label,), trials in context.arms("noise_label"):
        own = both.filter(pl.col("trial_id").is_in(trials["trial_id"].to_list()))
        if not own.is_empty():
            lines.append(_line(own, label, (trials["noise_kind"][0], trials["noise"][0])))
    sizes = ", ".join(f"{size:,}" for size in sample_sizes(both))
    return Panel(context.label, tuple(lines), f"m = {sizes}")


def _line(rows: pl.DataFrame, label: str, style: tuple[str, float]) -> Line:
    by = ["seed", "window"]
    losses = rows.group_by(by).agg(pl.col("loss").mean().alias("x"))
    pooled = ratio_of_sums(rows, by).join(losses, on=by).rename({"m_coherence": "y"})
    return line(pooled, label, style, log=True, log_x=True)


def frame(data: Data) -> pl.DataFrame:
    """The data of the figure, tidy."""
    return tidy(data.panels)


def draw(data: Data, figure: "Figure") -> None:
    """One panel per model, a few side by side; the loss falls to the right."""
    columns = min(COLUMNS, len(data.panels))
    rows = -(-len(data.panels) // columns)
    figure.set_size_inches(max(6.5, 5.2 * columns), 0.6 + 4.4 * rows)
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for axes in grid.reshape(-1)[len(data.panels) :]:
        axes.set_visible(False)
    for axes, panel in zip(grid.reshape(-1), data.panels, strict=False):
        for one in panel.lines:
            draw_line(axes, one, noise_style(one.style[1], one.style[0]))
        highest = max(x for one in panel.lines for x in one.x if x is not None)
        axes.set_xscale("function", functions=(_root, _square))
        axes.set_xlim(highest * 1.1, 0)
        ticks = [tick for tick in (5, 2, 1, 0.5, 0.2, 0.05, 0.01, 0) if tick <= highest * 1.1]
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        log_axis(axes, data.panels)
        orthogonal_limit(axes)
        axes.set_title(wrapped(f"{panel.title} ({panel.note})", 5.2))
        axes.set_xlabel("training loss (nats per example), falling")
        axes.legend(loc="best")
    for axes in grid[:, 0]:
        axes.set_ylabel("m-coherence (examples)")
    finish(figure, TITLE, data.foot)


def _root(loss: Array) -> Array:
    return np.sign(loss) * np.sqrt(np.abs(loss))


def _square(root: Array) -> Array:
    return np.sign(root) * np.square(root)


def caption(data: Data) -> tuple[str, ...]:
    """What is seen in these data, a sentence or two per panel."""
    sentences = []
    for panel in data.panels:
        said = []
        for one in panel.lines:
            both = ends(one)
            if both:
                (start, first), (end, last) = both
                said.append(f"{one.key}: {number(first)} at loss {number(start)}, {number(last)} at loss {number(end)}")
        sentences.append(f"{panel.title} ({panel.note}): {'; '.join(said)}.")
    return tuple(sentences)
