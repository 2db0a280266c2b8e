"""The papers' six-feature linear example: losses and coherence as measured, weights and gradients as they follow."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from analysis.curves import Line, Panel, line
from analysis.errors import Skipped
from analysis.panels import Grid, Look, draw_grid, grid_frame
from analysis.stats import Array
from analysis.store import Store
from analysis.sweeps import Sweep
from analysis.theme import BLUE, GREEN, VERMILLION, Style, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "The linear example: a shared feature is reinforced, and carries over to the test row"
PUBLISHED = (
    "Chatterjee and Zielinski (2022), section 3: the data matrix and the panels are known here from secondary notes;"
    " with them coherence is 0.625 with the shared feature and 0.25 without, at every step, by arithmetic."
)
SIGNS = np.array([1.0, -1.0, -1.0, 1.0, -1.0])
WORLDS = ("real", "random")
TOLERANCE = 1e-9
"""Largest difference between what was measured and what follows; float64 rounding stays far below."""

STYLES = {
    "train": Style(BLUE, "o", "-"),
    "test": Style(GREEN, "s", "--"),
    "feature 1": Style(BLUE, "o", "-"),
    "feature 6 (shared)": Style(VERMILLION, "v", "--"),
    "row 1, feature 1": Style(BLUE, "o", "-"),
    "row 1, feature 6": Style(VERMILLION, "v", "--"),
    "row 2, feature 6": Style(GREEN, "s", ":"),
    "m-coherence": Style(BLUE, "o", "-"),
}


@dataclass(frozen=True)
class Path:
    """Full-batch descent on (1/2)(y - w.x)^2 from w = 0: weights [T, 6], mean gradients [T, 6], gradients of rows
    [T, 4, 6], losses [T]."""

    weights: Array
    gradient: Array
    rows: Array
    train: Array
    test: Array

    @property
    def m_coherence(self) -> Array:
        """||S||^2 / Q; NaN where every gradient is 0."""
        total = np.square(self.rows.sum(axis=1)).sum(axis=1)
        norms = np.square(self.rows).sum(axis=(1, 2))
        return np.divide(total, norms, out=np.full(len(norms), np.nan), where=norms > 0)


@dataclass(frozen=True)
class Data:
    """grid: a column per world; worst: largest difference between measured and computed loss or m-coherence."""

    grid: Grid
    worst: float


def descend(world: str, lr: float, steps: int) -> Path:
    """w <- w - lr (1/4) sum_i g_i, g_i = -(y_i - w.x_i) x_i; x_i = s_i e_i, and s_i e_6 more in the `real` world; y"
    " = s."""
    x = np.zeros((5, 6))
    x[np.arange(5), np.arange(5)] = SIGNS
    x[:, 5] = SIGNS if world == "real" else 0.0
    w = np.zeros(6)
    kept: list[tuple[Array, Array, Array, float, float]] = []
    for _ in range(steps + 1):
        residual = SIGNS - x @ w
        rows = -residual[:4, None] * x[:4]
        losses = 0.5 * np.square(residual)
        kept.append((w.copy(), rows.mean(axis=0), rows, float(losses[:4].mean()), float(losses[4])))
        w = w - lr * rows.mean(axis=0)
    weights, gradient, rows_of, train, test = (np.array(part) for part in zip(*kept, strict=True))
    return Path(weights, gradient, rows_of, train, test)


def collect(store: Store, sweep: Sweep) -> Data:
    """Both worlds; raises Skipped where one is missing or measurement and arithmetic differ."""
    columns, worst = [], 0.0
    for world in WORLDS:
        chosen = sweep.trials.filter(
            (pl.col("dataset") == "linear-example") & pl.col("spec").str.contains(f'"world":"{world}"', literal=True)
        )
        if world == "real" and chosen.is_empty():  # the default world is left out of a spec
            chosen = sweep.trials.filter(
                (pl.col("dataset") == "linear-example") & ~pl.col("spec").str.contains('"world"', literal=True)
            )
        if chosen.is_empty():
            raise Skipped(f"no completed trial of the linear example in its {world} world")
        trial = chosen.row(0, named=True)
        path = descend(world, trial["lr"], trial["steps"])
        worst = max(worst, _difference(store, trial["trial_id"], path))
        columns.append(_column(world, path))
    if not worst < TOLERANCE:
        raise Skipped(f"measured losses or coherence differ by {worst:.2g} from the descent that the figure computes")
    rows = tuple(tuple(column[i] for column in columns) for i in range(5))
    more = "Losses and coherence: measured, and computed; weights and gradients: computed by the same descent."
    return Data(Grid(rows, f"One trial a world; nothing is random. {more}"), worst)


def _difference(store: Store, trial_id: str, path: Path) -> float:
    """Largest absolute difference between the stored numbers and the path's."""
    evals = store.read("evals", [trial_id], ["step", "split", "loss"])
    layers = store.read("layers", [trial_id], ["step", "source", "group", "layer", "q", "m_coherence"])
    worst = 0.0
    for split, losses in (("train", path.train), ("test", path.test)):
        own = evals.filter(pl.col("split") == split)
        worst = max(worst, float(np.abs(own["loss"].to_numpy() - losses[own["step"].to_numpy()]).max()))
    # Near the end gradients are rounding errors and their ratio means nothing.
    probes = layers.filter(
        (pl.col("source") == "probe") & (pl.col("group") == "all") & (pl.col("layer") == "*") & (pl.col("q") > 1e-18)
    )
    return max(
        worst, float(np.abs(probes["m_coherence"].to_numpy() - path.m_coherence[probes["step"].to_numpy()]).max())
    )


def _column(world: str, path: Path) -> tuple[Panel, ...]:
    title = f"{world}: {'rows share feature 6' if world == 'real' else 'rows share nothing'}"
    quantities: tuple[tuple[str, str, dict[str, Array]], ...] = (
        ("loss (half squared error)", "plain", {"train": path.train, "test": path.test}),
        ("weight", "plain", {"feature 1": path.weights[:, 0], "feature 6 (shared)": path.weights[:, 5]}),
        ("mean gradient", "plain", {"feature 1": path.gradient[:, 0], "feature 6 (shared)": path.gradient[:, 5]}),
        (
            "gradient of single rows",
            "plain",
            {
                "row 1, feature 1": path.rows[:, 0, 0],
                "row 1, feature 6": path.rows[:, 0, 5],
                "row 2, feature 6": path.rows[:, 1, 5],
            },
        ),
        ("m-coherence of 4 rows", "plain", {"m-coherence": np.where(path.train > 1e-18, path.m_coherence, np.nan)}),
    )
    return tuple(
        Panel(title, tuple(_line(name, values) for name, values in lines.items()), row=words, kind=kind)
        for words, kind, lines in quantities
    )


def _line(name: str, values: Array) -> Line:
    steps = np.arange(len(values))
    points = pl.DataFrame(
        {"seed": np.zeros(len(values), dtype=np.int64), "window": steps, "x": steps * 1.0, "y": values}
    )
    return line(points, name, (name, 0.0), log=False)


def frame(data: Data) -> pl.DataFrame:
    """The data of the figure, tidy; panel = world, row = quantity."""
    return grid_frame(data.grid)


def draw(data: Data, figure: "Figure") -> None:
    """Two columns, five rows; rows of one quantity share their limits."""
    draw_grid(figure, data.grid, TITLE, style, Look(width=4.6, height=1.9))
    grid = np.array(figure.axes).reshape(len(data.grid.rows), 2)
    for left, right in grid:
        limits = [*left.get_ylim(), *right.get_ylim()]
        left.set_ylim(min(limits), max(limits))
        right.set_ylim(min(limits), max(limits))


def style(one: Line) -> Style:
    """By what the line is."""
    return STYLES[one.key]


def caption(data: Data) -> tuple[str, ...]:
    """Limits that are reached, and how well measurement and arithmetic agree."""
    said = []
    for loss, weight, coherence in zip(*(data.grid.rows[i] for i in (0, 1, 4)), strict=True):
        test, shared = loss.lines[1].center[-1], weight.lines[1].center[-1]
        said.append(
            f"{loss.title}: m-coherence {number(coherence.lines[0].center[0])} of 4 throughout, the weight of feature 6"
            f" ends at {number(shared)}, test loss at {number(test)}."
        )
    return (*said, f"Measured and computed losses and coherence differ by {data.worst:.1e} at most.")
