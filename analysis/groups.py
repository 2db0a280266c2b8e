"""Rows of the instrument group-shares: pristine and corrupt examples against null worlds."""

import polars as pl

from analysis.coherence import plain
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


def beyond_null(rows: pl.DataFrame, where: str, group: str, start: float, end: float) -> dict[int, float]:
    """Seed -> mean over the probes from step `start` to `end` of f minus the upper end of its null band."""
    own = rows.filter(
        (pl.col("where") == where)
        & (pl.col("quantity") == "share")
        & (pl.col("group") == group)
        & pl.col("step").is_between(start, end)
    ).drop_nulls(["value", "high"])
    return dict(own.group_by("seed").agg((pl.col("value") - pl.col("high")).mean()).iter_rows())
