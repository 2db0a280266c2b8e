"""Rows of the instrument group-shares: pristine and corrupt examples against null worlds."""

import polars as pl

from analysis.coherence import plain
from analysis.learning import partly_corrupt
from analysis.shares import readings, windowed_shares
from analysis.store import Store
from analysis.sweeps import Sweep


def group_rows(store: Store, sweep: Sweep) -> pl.DataFrame:
    """Of whole networks at the raw weights under plain averaging, with seed, noise and `where` (model and noise).

    Needs of `instruments`: step, source, instrument, quantity, group, layer, n, value, low, high.
    """
    frames = []
    for context in map(plain, sweep.contexts()):
        for label, chosen in partly_corrupt(context):
            rows = readings(store, chosen.trials)
            if not rows.is_empty():
                named = chosen.trials.select("trial_id", "noise", pl.lit(f"{context.label}, {label}").alias("where"))
                frames.append(rows.join(named, on="trial_id"))
    if frames:
        return pl.concat(frames)
    schema = {"trial_id": pl.String, "quantity": pl.String, "where": pl.String, "noise": pl.Float64}
    return pl.DataFrame(schema=schema)


def beyond_null(rows: pl.DataFrame, where: str, group: str, start: float, end: float) -> dict[int, float]:
    """Seed -> f minus the upper end of its null band over the probes from step `start` to `end`.

    f as a ratio of sums, sum of S . S_A over sum of ||S||^2: single steps at which S nearly cancels do not count much.
    """
    own = rows.filter((pl.col("where") == where) & pl.col("step").is_between(start, end))
    pooled = windowed_shares(own, pl.lit(0)).filter(pl.col("group") == group)
    return dict(pooled.select("seed", pl.col("y") - pl.col("high")).drop_nulls().iter_rows())


def beyond_null_by_step(rows: pl.DataFrame, where: str, group: str, start: float, end: float) -> dict[int, float]:
    """As `beyond_null`, but the plain mean over probes of what each one's f exceeds its band by."""
    own = rows.filter(
        (pl.col("where") == where)
        & (pl.col("quantity") == "share")
        & (pl.col("group") == group)
        & pl.col("step").is_between(start, end)
    ).drop_nulls(["value", "high"])
    return dict(own.group_by("seed").agg((pl.col("value") - pl.col("high")).mean()).iter_rows())
