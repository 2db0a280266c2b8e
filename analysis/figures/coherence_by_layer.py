"""m-coherence of each layer against step: one row per model, one column per label noise."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from analysis.coherence import plain, probes, sample_sizes, step_line
from analysis.curves import Panel, at_most, tidy
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
from analysis.store import Store
from analysis.sweeps import Context, Sweep
from analysis.theme import depth_style, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Gradient coherence layer by layer"
PUBLISHED = (
    "As reported in secondary notes on Chatterjee and Zielinski (2020), convolutions lie above fully connected layers"
    " (shared weights pool many positions), and the first convolution falls below 1 once everything is fitted."
)

BANDED = 5
"""Bands of more layers than this hide each other and the lines."""


@dataclass(frozen=True)
class Data:
    """rows: for every model one panel per label noise; epochs: steps per epoch of each model."""

    rows: tuple[tuple[Panel, ...], ...]
    epochs: tuple[int, ...]
    foot: str


def collect(store: Store, sweep: Sweep) -> Data:
    """Probe rows of the named layers, in forward order; raises Skipped where there are none."""
    rows, epochs = [], []
    for context in map(plain, sweep.contexts()):
        panels = _panels(store, context)
        if panels:
            rows.append(panels)
            epochs.append(context.steps_per_epoch)
    if not rows:
        raise Skipped("no completed trial with the mean aggregator has probe rows per layer")
    flat = tuple(panel for row in rows for panel in row)
    more = "Points: sum of ||S||² over sum of Q in windows of steps; over seeds on the log scale. Dark: near the input."
    more += f" No bands where there are more than {BANDED} layers."
    return Data(tuple(rows), tuple(epochs), footer(sweep, intervals(flat), len(rows), more))


def _panels(store: Store, context: Context) -> tuple[Panel, ...]:
    rows = probes(store, context.trials).filter(pl.col("layer") != "*")
    panels = []
    for (label,), trials in context.arms("noise_label"):
        own = rows.filter(pl.col("trial_id").is_in(trials["trial_id"].to_list()))
        order = own.select("layer", "layer_index").unique().sort("layer_index")["layer"].to_list()
        layers = [
            step_line(own.filter(pl.col("layer") == layer), layer, (f"depth {len(order)}", float(index)))
            for index, layer in enumerate(order)
        ]
        if layers:
            sizes = ", ".join(f"{size:,}" for size in sample_sizes(own))
            panels.append(Panel(label, tuple(one for one in layers if one.x), f"m = {sizes}", context.label))
    return tuple(panels)


def frame(data: Data) -> pl.DataFrame:
    """The data of the figure, tidy; row = model, panel = label noise, condition = layer."""
    return tidy(panel for row in data.rows for panel in row)


def draw(data: Data, figure: "Figure") -> None:
    """A grid of models by label noise, with one y axis."""
    flat = [panel for row in data.rows for panel in row]
    columns = max(len(row) for row in data.rows)
    figure.set_size_inches(max(6.5, 4.4 * columns), 1.4 + 3.3 * len(data.rows))
    grid = figure.subplots(len(data.rows), columns, squeeze=False, sharey=True)
    for axes_row, panels in zip(grid, data.rows, strict=True):
        for axes in axes_row[len(panels) :]:
            axes.set_visible(False)
        for axes, panel in zip(axes_row, panels, strict=False):
            for one in panel.lines:
                look = depth_style(int(one.style[1]), int(one.style[0].split()[1]))
                draw_line(axes, one, look, strength=0.5, banded=len(panel.lines) <= BANDED)
            step_axis(axes, last_x((panel,)))
            log_axis(axes, flat)
            orthogonal_limit(axes)
            axes.set_title(wrapped(panel.title, 4.4))
        axes_row[0].set_ylabel(f"{wrapped(f'{panels[0].row} ({panels[0].note})', 4)}\nm-coherence (examples)")
        axes_row[0].legend(loc="best")
    finish(figure, TITLE, data.foot)


def caption(data: Data) -> tuple[str, ...]:
    """What is seen in these data, a sentence or two per panel."""
    sentences = []
    for panels, epoch in zip(data.rows, data.epochs, strict=True):
        said = []
        for panel in panels:
            tops = [
                f"{one.key} {number(max(y for _, y in at_most(one, epoch)))}"
                for one in panel.lines
                if at_most(one, epoch)
            ]
            said.append(f"{panel.title}: {', '.join(tops)}")
        sentences.append(
            f"{panels[0].row}, highest windowed value within the first epoch, from input to output: {'; '.join(said)}."
        )
    return tuple(sentences)
