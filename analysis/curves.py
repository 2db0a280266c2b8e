"""Curves over seeds as plain data: what figures collect, save and draw."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from analysis.stats import Array, Kind, band

Numbers = tuple[float | None, ...]


@dataclass(frozen=True)
class Line:
    """One condition. Undefined values are None.

    key: name of the condition; style: name and number from which the theme chooses its look.
    x, center, low, high: shape [T]; seed_x, seed_y: shape [S, T], or empty where only a summary is known; kind: what
    low and high are.
    """

    key: str
    style: tuple[str, float]
    seeds: tuple[int, ...]
    x: Numbers
    center: Numbers
    low: Numbers
    high: Numbers
    seed_x: tuple[Numbers, ...]
    seed_y: tuple[Numbers, ...]
    kind: Kind


@dataclass(frozen=True)
class Panel:
    """Lines that share axes. note: a sentence for under the title; kind: of the y axis, as `analysis.panels` draws it;
    marks: (words, y) of reference lines; ticks: (x, words) where x is not a number but a category."""

    title: str
    lines: tuple[Line, ...]
    note: str = ""
    row: str = ""
    kind: str = ""
    marks: tuple[tuple[str, float], ...] = ()
    ticks: tuple[tuple[float, str], ...] = ()


def line(frame: pl.DataFrame, key: str, style: tuple[str, float], *, log: bool, log_x: bool = False) -> Line:
    """A line of a quantity over seeds, which are aligned on `window` and summarised there.

    Needs: seed, window, x, y (one row per seed and window; null y is undefined).
    The x of the centre is the mean over seeds (geometric with log_x).
    """
    seeds = sorted(frame["seed"].unique().to_list())
    windows = sorted(frame["window"].unique().to_list())
    x, y = (_matrix(frame, column, seeds, windows) for column in ("x", "y"))
    over_seeds = band(y, log=log)
    return Line(
        key=key,
        style=style,
        seeds=tuple(seeds),
        x=numbers(band(x, log=log_x).center),
        center=numbers(over_seeds.center),
        low=numbers(over_seeds.low),
        high=numbers(over_seeds.high),
        seed_x=tuple(numbers(row) for row in x),
        seed_y=tuple(numbers(row) for row in y),
        kind=over_seeds.kind,
    )


def _matrix(frame: pl.DataFrame, column: str, seeds: list[int], windows: list[int]) -> Array:
    rows, columns = ({value: i for i, value in enumerate(values)} for values in (seeds, windows))
    matrix = np.full((len(seeds), len(windows)), np.nan)
    places = [rows[seed] for seed in frame["seed"]], [columns[window] for window in frame["window"]]
    matrix[places] = frame[column].cast(pl.Float64).fill_null(np.nan).to_numpy()
    return matrix


def numbers(values: Iterable[float]) -> Numbers:
    """Floats with None for what is undefined."""
    found = np.fromiter(values, dtype=np.float64)
    known = np.isfinite(found).tolist()
    return tuple(value if ok else None for value, ok in zip(found.tolist(), known, strict=True))


def array(values: Numbers) -> Array:
    """Floats with NaN for None."""
    return np.array(values, dtype=np.float64)


TIDY = {
    "panel": pl.String,
    "row": pl.String,
    "condition": pl.String,
    "seed": pl.Int64,
    "point": pl.Int64,
    "x": pl.Float64,
    "y": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "interval": pl.String,
    "seeds": pl.Int64,
}


def tidy(panels: Iterable[Panel]) -> pl.DataFrame:
    """Panels as one row per point, with the columns of TIDY: what `<figure>.parquet` and `.csv` hold.

    `seed` is null on the summary over seeds, which carries low, high and interval (line, range, t or bootstrap).
    """
    parts = [_rows(panel, one) for panel in panels for one in panel.lines]
    return pl.concat(parts) if parts else pl.DataFrame(schema=TIDY)


def _rows(panel: Panel, one: Line) -> pl.DataFrame:
    """The summary, then seed by seed."""
    points = len(one.x)
    drawn = zip(one.seeds[: len(one.seed_x)], one.seed_x, one.seed_y, strict=True)
    blocks: list[tuple[Any, ...]] = [(None, one.x, one.center, one.low, one.high, one.kind)]
    blocks += [(seed, xs, ys, (None,) * points, (None,) * points, None) for seed, xs, ys in drawn]
    columns = {
        "seed": [seed for seed, *_ in blocks for _ in range(points)],
        "point": [*range(points)] * len(blocks),
        **{
            name: [value for block in blocks for value in block[i]]
            for i, name in enumerate(("x", "y", "low", "high"), 1)
        },
        "interval": [block[5] for block in blocks for _ in range(points)],
    }
    head = {"panel": panel.title, "row": panel.row, "condition": one.key}
    rows = pl.DataFrame(columns, schema={name: TIDY[name] for name in columns})
    return rows.select(
        *(pl.lit(value, pl.String).alias(name) for name, value in head.items()),
        *columns,
        pl.lit(len(one.seeds), pl.Int64).alias("seeds"),
    )


def at_most(one: Line, x: float) -> list[tuple[float, float]]:
    """Defined (x, centre) points up to x."""
    return [(a, b) for a, b in zip(one.x, one.center, strict=True) if a is not None and b is not None and a <= x]


def ends(one: Line) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """First and last defined point of the centre."""
    points = at_most(one, np.inf)
    return (points[0], points[-1]) if points else None
