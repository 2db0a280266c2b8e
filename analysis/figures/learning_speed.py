"""How fast pristine and corrupt examples are learnt: accuracy per group, and first time learnt per example."""

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from analysis.coherence import plain
from analysis.curves import Line, Panel, line, tidy
from analysis.drawing import draw_line, footer, intervals, last_x, share_axis, step_axis
from analysis.errors import Skipped
from analysis.families import architectures
from analysis.grids import close
from analysis.learning import LEVEL, accuracy_line, chance, evaluations, partly_corrupt
from analysis.query import steps_to
from analysis.store import Store
from analysis.sweeps import Context, Sweep
from analysis.theme import GREY, SPLITS, Style, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE = "How fast pristine and corrupt examples are learnt (mean aggregator)"
PUBLISHED = (
    "Chatterjee (2020) explains faster learning of pristine examples by gradients that add up; the released code logs"
    " for every example when it was first learnt [C]. The curves themselves are known here from secondary notes only."
)
GROUPS = ("pristine", "corrupt")


@dataclass(frozen=True)
class Half:
    """First evaluated step with half of a group learnt, per seed; None = not by `last_step`."""

    group: str
    steps: tuple[int | None, ...]
    last_step: int


@dataclass(frozen=True)
class Data:
    """now: accuracy per group; ever: share learnt at least once so far; halves: when half was predicted."""

    now: tuple[Panel, ...]
    ever: tuple[Panel, ...]
    halves: tuple[tuple[Half, ...], ...]
    guessing: tuple[float | None, ...]
    foot: str


def collect(store: Store, sweep: Sweep) -> Data:
    """Every corruption of some but not all labels, under the mean aggregator."""
    now, ever, halves, guessing, used = [], [], [], [], []
    for whole in map(plain, sweep.contexts()):
        for label, chosen in partly_corrupt(whole):
            evals = evaluations(store, chosen.trials)
            if evals.filter(pl.col("split").is_in(GROUPS)).is_empty():
                continue
            title = f"{whole.label}, {label}"
            now.append(Panel(title, _now(evals) + _references(store, whole), row="now"))
            ever.append(Panel(title, _ever(store, chosen, evals), row="ever"))
            halves.append(_halves(evals))
            guessing.append(chance(store, chosen))
            used.append(whole)
    if not now:
        raise Skipped("no completed trial with the mean aggregator has partly corrupted labels and their evaluations")
    more = "Half learnt: first evaluated step with half of the group's given labels predicted."
    foot = footer(sweep, intervals(tuple(now)), architectures(used), more)
    return Data(tuple(now), tuple(ever), tuple(halves), tuple(guessing), foot)


def _now(evals: pl.DataFrame) -> tuple[Line, ...]:
    groups = ((group, evals.filter(pl.col("split") == group)) for group in GROUPS)
    return tuple(accuracy_line(rows, group, ("split", 0.0)) for group, rows in groups if not rows.is_empty())


def _references(store: Store, context: Context) -> tuple[Line, ...]:
    """The two ends of the noise scale: all labels original, and the corrupt ones where every label was selected."""
    lines = []
    for noise, split in ((0.0, "train"), (1.0, "corrupt")):
        for (label,), trials in context.arms("noise_label"):
            if trials["noise"][0] == noise:
                rows = evaluations(store, trials).filter(pl.col("split") == split)
                if not rows.is_empty():
                    lines.append(accuracy_line(rows, f"reference: {label}", ("reference", noise)))
    return tuple(lines)


def _ever(store: Store, context: Context, evals: pl.DataFrame) -> tuple[Line, ...]:
    """Share of each group with first_learnt <= step, at every evaluated step."""
    columns = ["trial_id", "corrupt", "first_learnt"]
    examples = store.read("examples", context.trials["trial_id"].to_list(), columns)
    examples = examples.join(context.trials.select("trial_id", "seed"), on="trial_id")
    steps = evals.select(pl.col("step").unique().sort().alias("window"))
    lines = []
    for group in GROUPS:
        own = examples.filter(pl.col("corrupt") == (group == "corrupt")).join(steps, how="cross")
        reached = (pl.col("first_learnt") <= pl.col("window")).fill_null(False)
        shares = own.group_by("seed", "window").agg(reached.mean().alias("y")).with_columns(x=pl.col("window"))
        if not shares.is_empty():
            lines.append(line(shares, group, ("split", 0.0), log=False))
    return tuple(lines)


def _halves(evals: pl.DataFrame) -> tuple[Half, ...]:
    reached = steps_to(evals, LEVEL).join(evals.select("trial_id", "seed").unique(), on="trial_id").sort("seed")
    halves = []
    for group in GROUPS:
        own = reached.filter(pl.col("split") == group)
        if not own.is_empty():
            halves.append(Half(group, tuple(own["reached"].to_list()), int(own["last_step"].to_list()[0])))
    return tuple(halves)


def frame(data: Data) -> pl.DataFrame:
    """The data of the figure, tidy."""
    return tidy((*data.now, *data.ever))


def draw(data: Data, figure: "Figure") -> None:
    """Accuracy above, first time learnt below; one column per model and corruption."""
    columns = len(data.now)
    figure.set_size_inches(max(6.5, 5.4 * columns), 7.4)
    grid = figure.subplots(2, columns, squeeze=False, sharex="col", sharey="row")
    for place, (now, ever, halves, level) in enumerate(
        zip(data.now, data.ever, data.halves, data.guessing, strict=True)
    ):
        _draw_now(grid[0][place], now, halves, level)
        for one in ever.lines:
            draw_line(grid[1][place], one, SPLITS[one.key])
        step_axis(grid[1][place], last_x((now,)))
        share_axis(grid[1][place], None)
    grid[0][0].set_ylabel("share of given labels\npredicted now")
    grid[1][0].set_ylabel("share of given labels\npredicted at least once")
    close(figure, TITLE, data.foot, data.now, _style)


def _style(one: Line) -> Style:
    """Groups as everywhere; the ends of the noise scale thin and grey, solid for original labels."""
    return SPLITS[one.key] if one.style[0] == "split" else Style(GREY, "", "-" if one.style[1] == 0 else "--")


def _draw_now(axes: "Axes", panel: Panel, halves: tuple[Half, ...], level: float | None) -> None:
    for one in panel.lines:
        if one.style[0] == "split":
            draw_line(axes, one, _style(one))
        else:
            style = _style(one)
            axes.plot(one.x, one.center, color=style.color, linewidth=1, linestyle=style.dashes, label=f"_{one.key}")  # type: ignore[arg-type]
    for half in halves:
        for step in half.steps:
            if step is not None:
                axes.plot(
                    step,
                    LEVEL,
                    marker="|",
                    markersize=14,
                    markeredgewidth=1.5,
                    color=SPLITS[half.group].color,
                    label=f"_half of {half.group} learnt",
                )
    step_axis(axes, last_x((panel,)), label=False)
    share_axis(axes, level)
    halves_said = "\n".join(line for half in halves for line in textwrap.wrap(_half_words(half), 80))
    axes.set_title(panel.title, pad=14 + 11 * halves_said.count("\n"))
    place = {"ha": "left", "va": "bottom", "fontsize": 8}
    axes.text(0, 1.01, halves_said, transform=axes.transAxes, **place)  # type: ignore[arg-type]


def _half_words(half: Half) -> str:
    steps = ", ".join(f"> {half.last_step:,}" if step is None else f"{step:,}" for step in half.steps)
    if set(half.steps) == {None}:
        steps = f"> {half.last_step:,} (never, all {len(half.steps)} seeds)"
    return f"half of {half.group} learnt at step {steps}"


def caption(data: Data) -> tuple[str, ...]:
    """What is seen in these data, a sentence or two per panel."""
    sentences = []
    for panel, halves, level in zip(data.now, data.halves, data.guessing, strict=True):
        text = f"{panel.title}: " + "; ".join(_half_words(half) for half in halves) + "."
        corrupt = next((one for one in panel.lines if one.key == "corrupt"), None)
        if corrupt is not None:
            lowest = min((y for y in corrupt.center if y is not None), default=None)
            last = corrupt.center[-1]
            below = " (below guessing)" if lowest is not None and level is not None and lowest < level else ""
            text += f" Accuracy on corrupt labels: lowest {number(lowest)}{below}, at the end {number(last)}."
        sentences.append(text)
    return tuple(sentences)
