"""Group shares of the instrument `group-shares` in windows of steps, with the bands of the null worlds."""

from dataclasses import dataclass

import polars as pl

from analysis.curves import Line, Numbers, line, numbers
from analysis.query import log_window
from analysis.store import Store

GROUPS = ("pristine", "corrupt")
COLUMNS = ["trial_id", "step", "source", "instrument", "quantity", "group", "layer", "n", "value", "low", "high"]


@dataclass(frozen=True)
class Null:
    """95 % band of a group's null worlds, averaged over seeds; x, low, high: shape [T]."""

    group: str
    x: Numbers
    low: Numbers
    high: Numbers


def readings(store: Store, trials: pl.DataFrame) -> pl.DataFrame:
    """Rows of the instrument for the whole network at the raw weights, with seed."""
    rows = store.read("instruments", trials["trial_id"].to_list(), COLUMNS).filter(
        (pl.col("instrument") == "group-shares") & (pl.col("source") == "probe") & (pl.col("layer") == "*")
    )
    return rows.join(trials.select("trial_id", "seed"), on="trial_id").sort("step")


def windowed_shares(rows: pl.DataFrame, window: pl.Expr | None = None) -> pl.DataFrame:
    """f in windows of steps (log windows unless told), per seed and group: sum of S . S_A over sum of ||S||^2.

    S . S_A is n times the mean dot, ||S||^2 the sum of that over both groups. The band: quantiles of the single
    steps, weighted by ||S||^2. One deal of the tags holds for a whole trial, so a quantile of a window lies within.
    """
    dots = rows.filter(pl.col("quantity") == "mean-dot").with_columns((pl.col("n") * pl.col("value")).alias("dot"))
    dots = dots.with_columns(pl.col("dot").sum().over("trial_id", "step").alias("total"))
    bands = rows.filter(pl.col("quantity") == "share").select("trial_id", "step", "group", "low", "high", "value")
    joined = dots.drop("low", "high", "value").join(bands.drop_nulls("value"), on=["trial_id", "step", "group"])
    total = pl.col("total").sum()
    return (
        joined.with_columns((log_window() if window is None else window).alias("window"))
        .group_by("seed", "group", "window", maintain_order=True)
        .agg(
            pl.col("step").mean().alias("x"),
            (pl.col("dot").sum() / total).alias("y"),
            ((pl.col("low") * pl.col("total")).sum() / total).alias("low"),
            ((pl.col("high") * pl.col("total")).sum() / total).alias("high"),
        )
    )


def windowed_means(rows: pl.DataFrame, quantity: str) -> pl.DataFrame:
    """Plain means of a quantity and its band in windows of steps, per seed and group."""
    return (
        rows.filter(pl.col("quantity") == quantity)
        .drop_nulls("value")
        .with_columns(log_window())
        .group_by("seed", "group", "window", maintain_order=True)
        .agg(
            pl.col("step").mean().alias("x"),
            pl.col("value").mean().alias("y"),
            pl.col("low").mean(),
            pl.col("high").mean(),
        )
    )


def single_steps(rows: pl.DataFrame, quantity: str) -> pl.DataFrame:
    """A quantity and its band at every measured step, per seed and group."""
    own = rows.filter(pl.col("quantity") == quantity).drop_nulls("value")
    return own.select(
        "seed",
        "group",
        pl.col("step").alias("window"),
        pl.col("step").cast(pl.Float64).alias("x"),
        pl.col("value").alias("y"),
        "low",
        "high",
    )


def lines_of(points: pl.DataFrame) -> tuple[Line, ...]:
    """One line per group that has any points."""
    own = ((group, points.filter(pl.col("group") == group)) for group in GROUPS)
    return tuple(line(rows, group, ("split", 0.0), log=False) for group, rows in own if not rows.is_empty())


def nulls_of(points: pl.DataFrame) -> tuple[Null, ...]:
    """The band of every group, averaged over seeds window by window."""
    averaged = points.group_by("group", "window").agg(pl.col("x", "low", "high").mean()).sort("window")
    return tuple(
        Null(group, *(numbers(own[column].fill_null(float("nan")).to_list()) for column in ("x", "low", "high")))
        for group in GROUPS
        if not (own := averaged.filter(pl.col("group") == group)).is_empty()
    )


def null_rows(panel: str, row: str, nulls: tuple[Null, ...], schema: pl.Schema) -> pl.DataFrame:
    """The bands as rows of a tidy frame: condition `null worlds: <group>`."""
    rows = [
        (panel, row, f"null worlds: {null.group}", None, i, x, None, low, high, "null worlds", None)
        for null in nulls
        for i, (x, low, high) in enumerate(zip(null.x, null.low, null.high, strict=True))
    ]
    return pl.DataFrame(rows, schema=schema, orient="row")
