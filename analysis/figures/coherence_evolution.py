"""Loss, accuracy and m-coherence of the whole network and of its first, middle and last layer, by label noise."""

from typing import TYPE_CHECKING

import polars as pl

from analysis.arms import eval_lines
from analysis.coherence import epoch_line, plain, probes, sample_sizes, sizes_note
from analysis.curves import Line, Panel
from analysis.drawing import footer, intervals
from analysis.errors import Skipped
from analysis.layers import first_middle_last
from analysis.learning import evaluations
from analysis.panels import Grid, Look, draw_grid, grid_frame
from analysis.store import Store
from analysis.sweeps import Context, Sweep
from analysis.theme import BLACK, SPLITS, Style, depth_style, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "The evolution of coherence, beside loss and accuracy"
PUBLISHED = (
    "As reported in secondary notes, Chatterjee and Zielinski (2020) show for ResNet-18 on ImageNet a broad"
    " parabola: up, a peak, back to 1, slower with more noise, with convolutions above the fully connected layer and"
    " the first convolution below 1 once everything is fitted. Their abstract has random labels reach the 100s [S]."
)


def collect(store: Store, sweep: Sweep) -> Grid:
    """The first model with probe rows per layer; a column per label noise."""
    for context in map(plain, sweep.contexts()):
        found = probes(store, context.trials)
        if context.trials["noise_label"].n_unique() > 1 and (found["layer"] != "*").any():
            return _grid(store, sweep, context, found)
    raise Skipped("no model was trained under two label noises and probed layer by layer")


def _grid(store: Store, sweep: Sweep, context: Context, found: pl.DataFrame) -> Grid:
    evals, epoch = evaluations(store, context.trials), context.steps_per_epoch
    rows: list[list[Panel]] = [[], [], [], []]
    for (label,), trials in context.arms("noise_label"):
        ids = trials["trial_id"].to_list()
        arms = {split: (ids, (split, 0.0)) for split in ("train", "test")}
        for place, (value, kind, words) in enumerate(
            (("loss", "positive", "loss (nats per example)"), ("accuracy", "share", "labels predicted"))
        ):
            lines = tuple(one for split in arms for one in eval_lines(evals, {split: arms[split]}, split, value, epoch))
            rows[place].append(Panel(label, lines, row=words, kind=kind))
        own = found.filter(pl.col("trial_id").is_in(ids))
        size = max(sample_sizes(own), default=None)
        marks = (("m", float(size)),) if isinstance(size, int) else ()
        whole = epoch_line(own.filter(pl.col("layer") == "*"), "whole network", ("whole", 0.0), epoch)
        rows[2].append(Panel(label, (whole,), sizes_note(own), "m-coherence (examples)", "coherence", marks))
        chosen = first_middle_last(own)
        layers = tuple(
            epoch_line(
                own.filter(pl.col("layer") == layer), f"{place}: {layer}", (f"depth {len(chosen)}", float(i)), epoch
            )
            for i, (place, layer) in enumerate(chosen)
        )
        rows[3].append(Panel(label, layers, sizes_note(own), "m-coherence by layer", "coherence", marks))
    grid = Grid(tuple(map(tuple, rows)), "")
    more = f"{context.label}. Coherence: sum of ||S||² over sum of Q in windows of steps; over seeds on the log scale."
    return Grid(grid.rows, footer(sweep, intervals(grid.panels), 1, more))


def frame(data: Grid) -> pl.DataFrame:
    """The data of the figure, tidy; panel = label noise, row = quantity."""
    return grid_frame(data)


def draw(data: Grid, figure: "Figure") -> None:
    """Four rows."""
    draw_grid(figure, data, TITLE, style, Look(x="epoch", x_label="epoch", width=4.3, height=2.5, strength=0.5))


def style(one: Line) -> Style:
    """Splits and depths as everywhere; the whole network black."""
    if one.style[0] == "whole":
        return Style(BLACK, "o", "-")
    if one.style[0] in SPLITS:
        return SPLITS[one.style[0]]
    return depth_style(int(one.style[1]), int(one.style[0].split()[1]))


def caption(data: Grid) -> tuple[str, ...]:
    """First, highest and last windowed value of the whole network, and the last of each layer."""
    said = []
    for whole, layers in zip(data.rows[2], data.rows[3], strict=True):
        values = [y for y in whole.lines[0].center if y is not None]
        ends = [f"{one.key} {number(one.center[-1])}" for one in layers.lines]
        said.append(
            f"{whole.title} ({whole.note}): {number(values[0])} at first, at most {number(max(values))},"
            f" {number(values[-1])} at the end; at the end by layer {', '.join(ends)}."
        )
    return tuple(said)
