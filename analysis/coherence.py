"""Curves of m-coherence that several figures and claims share."""

import polars as pl

from analysis.curves import Line, line
from analysis.query import log_window, ratio_of_sums
from analysis.store import Store
from analysis.sweeps import Context

REFERENCE = "mean"
"""Coherence is compared under plain averaging: other aggregators move the weights elsewhere."""

COLUMNS = ["trial_id", "step", "source", "group", "layer", "layer_index", "n", "k", "q", "s2"]


def probes(store: Store, trials: pl.DataFrame, source: str = "probe") -> pl.DataFrame:
    """Probe rows of group `all` of these trials, every layer, with seed; n counts units of k examples.

    source: `probe`, or `probe-ema` for averaged weights.
    """
    rows = store.read("layers", trials["trial_id"].to_list(), COLUMNS)
    rows = rows.filter((pl.col("source") == source) & (pl.col("group") == "all"))
    return rows.join(trials.select("trial_id", "seed"), on="trial_id")


def plain(context: Context) -> Context:
    """The trials of a context that average plainly."""
    chosen = context.trials.filter(pl.col("aggregator_name") == REFERENCE)
    return Context(context.key, context.label, chosen)


def step_line(rows: pl.DataFrame, key: str, style: tuple[str, float]) -> Line:
    """m-coherence against step: ratio of sums in windows of steps, then over seeds on the log scale."""
    pooled = ratio_of_sums(rows.with_columns(log_window()), ["seed", "window"])
    return line(pooled.rename({"step": "x", "m_coherence": "y"}), key, style, log=True)


def sample_sizes(rows: pl.DataFrame) -> tuple[int, ...]:
    """Distinct numbers of examples among the rows: n units of k, of one where the rows have no k."""
    examples = rows["n"] * rows["k"].fill_null(1) if "k" in rows.columns else rows["n"]
    return tuple(sorted(examples.drop_nulls().unique().to_list()))


def sizes_note(rows: pl.DataFrame) -> str:
    """`m = 1,000` for what is drawn; empty without rows."""
    sizes = ", ".join(f"{size:,}" for size in sample_sizes(rows))
    return f"m = {sizes}" if sizes else ""


def epoch_line(rows: pl.DataFrame, key: str, style: tuple[str, float], epoch: int) -> Line:
    """As `step_line`, against epochs of `epoch` steps."""
    pooled = ratio_of_sums(rows.with_columns(log_window()), ["seed", "window"])
    points = pooled.with_columns((pl.col("step") / epoch).alias("x")).rename({"m_coherence": "y"})
    return line(points, key, style, log=True)
