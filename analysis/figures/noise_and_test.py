"""Accuracy and loss of plain averaging against epoch: training against test, pristine against corrupt, by noise."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from analysis.batches import tripled
from analysis.coherence import plain
from analysis.curves import Line, Panel, tidy
from analysis.drawing import footer, intervals, last_x, log_axis
from analysis.errors import Skipped
from analysis.families import architectures
from analysis.grids import close, draw_lines, flat, grid_of, row_label, shares
from analysis.learning import chance, end, evaluations, partly_corrupt, said_end, split_line
from analysis.store import Store
from analysis.sweeps import Context, Sweep
from analysis.theme import Style, noise_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Plain averaging under label noise: training and test, pristine and corrupt"
PUBLISHED = (
    "The plot script released with Zielinski, Krishnan and Chatterjee (2020) draws training against test and pristine"
    " against corrupt examples, accuracy and loss, for networks on ImageNet [C]. Values are not known here."
)
PAIRS = (("train", "test"), ("pristine", "corrupt"))
HEADINGS = ("training labels (solid), test labels (dashed)", "pristine labels (solid), corrupt labels (dashed)")
DASHES = ("-", "--")


@dataclass(frozen=True)
class Block:
    """One model. accuracy, loss: a panel per pair of splits; ends: what is said of the last evaluations."""

    accuracy: tuple[Panel, Panel]
    loss: tuple[Panel, Panel]
    guessing: float | None
    ends: tuple[str, ...]


@dataclass(frozen=True)
class Data:
    """blocks: one per model."""

    blocks: tuple[Block, ...]
    foot: str


def collect(store: Store, sweep: Sweep) -> Data:
    """Every model that was trained plainly on partly corrupted labels; raises Skipped without one.

    Contexts that repeat another at three times its batch are left to the figure about them.
    """
    contexts = sweep.contexts()
    repeats = {pair.triple.key for pair in tripled(contexts)}
    blocks, used = [], []
    for whole in map(plain, contexts):
        if whole.key in repeats or not partly_corrupt(whole):
            continue
        kept = whole.trials.filter((pl.col("noise") == 0) | pl.col("noise_kind").str.ends_with("-labels"))
        context = Context(whole.key, whole.label, kept)
        evals = evaluations(store, kept)
        first, second = (_panels(context, evals, value) for value in ("accuracy", "loss"))
        blocks.append(Block(first, second, chance(store, context), _ends(context, evals)))
        used.append(context)
    if not blocks:
        raise Skipped("no completed trial with the mean aggregator has partly corrupted labels")
    panels = tuple(panel for block in blocks for panel in (*block.accuracy, *block.loss))
    more = "Training and corrupt: labels as given; test: clean labels. Losses: geometric mean over seeds."
    return Data(tuple(blocks), footer(sweep, intervals(panels), architectures(used), more))


def _panels(context: Context, evals: pl.DataFrame, value: str) -> tuple[Panel, Panel]:
    first, second = (
        Panel(heading, _lines(context, evals, value, pair), row=f"{context.label}: {value}")
        for heading, pair in zip(HEADINGS, PAIRS, strict=True)
    )
    return first, second


def _lines(context: Context, evals: pl.DataFrame, value: str, splits: tuple[str, str]) -> tuple[Line, ...]:
    lines = []
    for (label,), trials in context.arms("noise_label"):
        own = evals.filter(pl.col("trial_id").is_in(trials["trial_id"].to_list()))
        kind, noise = trials["noise_kind"].to_list()[0], trials["noise"].to_list()[0]
        for place, split in enumerate(splits):
            rows = own.filter(pl.col("split") == split)
            if not rows.is_empty():
                style = (f"{kind} {place}", noise)
                per = context.steps_per_epoch
                lines.append(split_line(rows, value, f"{label}: {split}", style, per=per, log=value == "loss"))
    return tuple(lines)


def _ends(context: Context, evals: pl.DataFrame) -> tuple[str, ...]:
    said = []
    for (label,), trials in context.arms("noise_label"):
        own = evals.filter(pl.col("trial_id").is_in(trials["trial_id"].to_list()))
        parts = []
        for split in (split for pair in PAIRS for split in pair):
            values = list(end(own.filter(pl.col("split") == split)).values())
            if values:
                parts.append(f"{split} {said_end(values)}")
        said.append(f"{label}: {', '.join(parts)}")
    return tuple(said)


def frame(data: Data) -> pl.DataFrame:
    """The data of the figure, tidy; x in epochs; condition = label noise and split."""
    return tidy(panel for block in data.blocks for panel in (*block.accuracy, *block.loss))


def draw(data: Data, figure: "Figure") -> None:
    """Two rows per model: accuracy, loss."""
    grid = grid_of(figure, 2 * len(data.blocks), 2, width=5.2, height=2.7)
    for place, block in enumerate(data.blocks):
        above, below = grid[2 * place], grid[2 * place + 1]
        for axes_row, pair in ((above, block.accuracy), (below, block.loss)):
            for axes, panel in zip(axes_row, pair, strict=True):
                draw_lines(axes, panel, _style, strength=0.5, heading=axes_row is above)
                axes.set_xlim(0, last_x(pair) * 1.02)
        for axes in above:
            shares(axes, block.guessing)
        for axes in below:
            log_axis(axes, block.loss)
            axes.set_xlabel("epoch")
        row_label(above[0], block.accuracy[0].row, "share of examples")
        row_label(below[0], block.loss[0].row, "mean loss (nats)")
    panels = flat([(*block.accuracy, *block.loss) for block in data.blocks])
    close(figure, TITLE, data.foot, [_by_noise(panel) for panel in panels], _style)


def _by_noise(panel: Panel) -> Panel:
    """For the legend: one entry per label noise; solid and dashed are explained above the columns."""
    from dataclasses import replace

    solid = (one for one in panel.lines if one.style[0].endswith(" 0"))
    return replace(panel, lines=tuple(replace(one, key=one.key.rsplit(": ", 1)[0]) for one in solid))


def _style(one: Line) -> Style:
    kind, place = one.style[0].split(" ")
    known = noise_style(one.style[1], kind)
    return Style(known.color, known.marker, DASHES[int(place)])


def caption(data: Data) -> tuple[str, ...]:
    """What is seen in these data, a sentence or two per panel."""
    return tuple(
        f"{block.accuracy[0].row}, mean of the last evaluations: {'; '.join(block.ends)}." for block in data.blocks
    )
