"""gap-vs-step: training accuracy less test accuracy, against step, by label noise."""

import polars as pl

from analysis.arms import by_noise, end_of, eval_lines
from analysis.curves import Panel
from analysis.drawing import footer, intervals
from analysis.errors import Skipped
from analysis.figures import Entry
from analysis.learning import evaluations
from analysis.panels import Grid, draw_grid
from analysis.panels import grid_frame as frame  # noqa: F401 - the data behind the picture
from analysis.theme import noise_style

TITLE = "The gap between training and test accuracy"
PUBLISHED = "None: the gap is what the papers' adjusted overfit corrects for label noise."
ENTRY = Entry("coherence_extras.gap_vs_step", TITLE, "training less test accuracy against step", "our own", api=1)


def collect(store, sweep):
    panels = []
    for context in sweep.contexts():
        wide = evaluations(store, context.trials).filter(pl.col("split").is_in(["train", "test"]))
        wide = wide.pivot("split", index=["trial_id", "seed", "step"], values="accuracy").drop_nulls()
        gaps = wide.with_columns(accuracy=pl.col("train") - pl.col("test"), split=pl.lit("gap"))
        panels.append(Panel(context.label, eval_lines(gaps, by_noise(context), "gap"), row="train less test"))
    if not panels:
        raise Skipped("no completed trial was evaluated on training and test examples")
    return Grid((tuple(panels),), footer(sweep, intervals(panels), len(panels)))


def draw(data, figure):
    draw_grid(figure, data, TITLE, lambda one: noise_style(one.style[1], one.style[0]))


def caption(data):
    ends = [(panel.title, one.key, end_of(one)) for panel in data.panels for one in panel.lines]
    return tuple(f"{title}, {key}: {100 * gap:+.1f} points at the end." for title, key, gap in ends)
