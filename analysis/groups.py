"""Rows of the instrument group-shares: pristine and corrupt examples against null worlds."""

from dataclasses import replace

import polars as pl

from analysis.coherence import plain
from analysis.curves import Line, line
from analysis.learning import partly_corrupt
from analysis.store import Store
from analysis.sweeps import Sweep

COLUMNS = ["trial_id", "step", "source", "instrument", "quantity", "group", "layer", "value", "low", "high"]


def group_rows(store: Store, sweep: Sweep) -> pl.DataFrame:
    """Of whole networks at the raw weights under plain averaging, with seed, noise and `where` (model and noise).

    Needs of `instruments`: step, source, instrument, quantity, group, layer, value, low, high.
    """
    frames = []
    for context in map(plain, sweep.contexts()):
        for label, chosen in partly_corrupt(context):
            rows = store.read("instruments", chosen.trials["trial_id"].to_list(), COLUMNS)
            rows = rows.filter(
                (pl.col("instrument") == "group-shares") & (pl.col("source") == "probe") & (pl.col("layer") == "*")
            )
            if not rows.is_empty():
                named = chosen.trials.select(
                    "trial_id", "seed", "noise", pl.lit(f"{context.label}, {label}").alias("where")
                )
                frames.append(rows.join(named, on="trial_id"))
    if frames:
        return pl.concat(frames)
    schema = {"trial_id": pl.String, "quantity": pl.String, "where": pl.String, "noise": pl.Float64}
    return pl.DataFrame(schema=schema)


def band_lines(rows: pl.DataFrame, where: str, quantity: str) -> tuple[Line, ...]:
    """Both groups, and the null worlds of each as a line whose low and high are the band, averaged over seeds."""
    own = rows.filter((pl.col("where") == where) & (pl.col("quantity") == quantity))
    groups = {group: own.filter(pl.col("group") == group) for group in ("pristine", "corrupt")}
    lines = [_line(chosen, "value", group) for group, chosen in groups.items()]
    nulls = [null for group, chosen in groups.items() if (null := _null(chosen, group)) is not None]
    return tuple(one for one in (*lines, *nulls) if one.x)


def _null(rows: pl.DataFrame, group: str) -> Line | None:
    low, high = (_line(rows, bound, f"null worlds, {group}") for bound in ("low", "high"))
    if not low.x or low.x != high.x:
        return None
    middle = tuple(
        None if a is None or b is None else (a + b) / 2 for a, b in zip(low.center, high.center, strict=True)
    )
    return replace(low, center=middle, low=low.center, high=high.center, seed_x=(), seed_y=(), kind="t")


def _line(rows: pl.DataFrame, value: str, key: str) -> Line:
    points = rows.drop_nulls(value).select(
        "seed", pl.col("step").alias("window"), pl.col("step").cast(pl.Float64).alias("x"), pl.col(value).alias("y")
    )
    return line(points, key, (key, 0.0), log=False)


def beyond_null(rows: pl.DataFrame, where: str, group: str, start: float, end: float) -> dict[int, float]:
    """Seed -> mean over the probes from step `start` to `end` of f minus the upper end of its null band."""
    own = rows.filter(
        (pl.col("where") == where)
        & (pl.col("quantity") == "share")
        & (pl.col("group") == group)
        & pl.col("step").is_between(start, end)
    ).drop_nulls(["value", "high"])
    return dict(own.group_by("seed").agg((pl.col("value") - pl.col("high")).mean()).iter_rows())
