"""m-coherence beside stiffness, confusion and quantiles of the cosine, on the same examples at the same steps."""

from typing import TYPE_CHECKING

import polars as pl

from analysis.arms import Arms, by_noise
from analysis.coherence import plain, probes, sizes_note, step_line
from analysis.curves import Line, Panel, line
from analysis.drawing import footer, intervals
from analysis.errors import Skipped
from analysis.panels import Grid, Look, draw_grid, grid_frame
from analysis.store import Store
from analysis.sweeps import Context, Sweep
from analysis.theme import Style, noise_style, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Coherence beside related measures of alignment"
PUBLISHED = (
    "Chatterjee and Zielinski (2020) compare with stiffness and confusion in words: coherence ties exactly to the"
    " first-order change of the loss and costs order m, the others neither, as the abstract and secondary notes say"
    " [S]."
)
SHOWN = (
    ("cosine-stiffness", "all", "mean cosine of pairs"),
    ("cosine-stiffness", "within", "mean cosine within a class"),
    ("sign-stiffness", "all", "mean sign of dot products"),
    ("gradient-confusion", "negative", "share of opposed pairs"),
    ("gradient-confusion", "cosine", "cosine of the most opposed pair"),
    ("cosine-quantiles", "p95", "95 % quantile of cosines"),
)
COLUMNS = ["trial_id", "step", "source", "instrument", "quantity", "group", "layer", "n", "value"]


def collect(store: Store, sweep: Sweep) -> Grid:
    """The first model with these instruments."""
    for context in map(plain, sweep.contexts()):
        rows = store.read("instruments", context.trials["trial_id"].to_list(), COLUMNS)
        rows = rows.filter((pl.col("source") == "probe") & (pl.col("group") == "all") & (pl.col("layer") == "*"))
        if {name for name, _, _ in SHOWN} & set(rows["instrument"]):
            return _grid(store, sweep, context, rows.join(context.trials.select("trial_id", "seed"), on="trial_id"))
    raise Skipped("no completed trial was measured with stiffness, confusion or cosine quantiles")


def _grid(store: Store, sweep: Sweep, context: Context, rows: pl.DataFrame) -> Grid:
    arms = by_noise(context)
    found = probes(store, context.trials).filter(pl.col("layer") == "*")
    coherence = tuple(
        step_line(own, name, style)
        for name, (ids, style) in arms.items()
        if not (own := found.filter(pl.col("trial_id").is_in(ids))).is_empty()
    )
    panels = [Panel("m-coherence", coherence, sizes_note(found), context.label, "coherence")]
    for instrument, quantity, words in SHOWN:
        own = rows.filter((pl.col("instrument") == instrument) & (pl.col("quantity") == quantity)).drop_nulls("value")
        if not own.is_empty():
            panels.append(Panel(words, _lines(own, arms), f"n = {max(own['n'].to_list()):,}", context.label, "plain"))
    grid = Grid((tuple(panels[:4]), tuple(panels[4:])) if len(panels) > 4 else (tuple(panels),), "")
    more = "n: examples that a measure of pairs takes, fewer than the probe's m where it needs all pairs."
    return Grid(grid.rows, footer(sweep, intervals(grid.panels), 1, more))


def _lines(rows: pl.DataFrame, arms: Arms) -> tuple[Line, ...]:
    lines = []
    for name, (ids, style) in arms.items():
        points = rows.filter(pl.col("trial_id").is_in(ids)).select(
            "seed",
            pl.col("step").alias("window"),
            pl.col("step").cast(pl.Float64).alias("x"),
            pl.col("value").alias("y"),
        )
        if not points.is_empty():
            lines.append(line(points, name, style, log=False))
    return tuple(lines)


def frame(data: Grid) -> pl.DataFrame:
    """The data of the figure, tidy; panel = measure."""
    return grid_frame(data)


def draw(data: Grid, figure: "Figure") -> None:
    """Two rows of panels."""
    draw_grid(figure, data, TITLE, style, Look(width=3.7, height=3.0, legend="above", strength=0.5))
    for axes, panel in zip(figure.axes, data.panels, strict=False):
        if panel.kind == "plain":
            axes.axhline(0, color="#6b6b6b", linewidth=0.8)


def style(one: Line) -> Style:
    """A label noise keeps its colour."""
    return noise_style(one.style[1], one.style[0])


def caption(data: Grid) -> tuple[str, ...]:
    """Highest and last value of each measure."""
    said = []
    for panel in data.panels:
        parts = []
        for one in panel.lines:
            values = [y for y in one.center if y is not None]
            parts.append(
                f"{one.key} {number(values[0])} at first, {number(max(values))} at most, {number(values[-1])} at last"
            )
        said.append(f"{panel.title}: {'; '.join(parts)}.")
    return tuple(said)
