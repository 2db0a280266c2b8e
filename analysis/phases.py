"""m-coherence of a phase of training, per seed: pooled as ratio of sums, never a bare probe but for step 0."""

import polars as pl

from analysis.coherence import probes, sample_sizes
from analysis.query import log_window, ratio_of_sums, rescaled
from analysis.store import Store
from analysis.sweeps import Context

TRANSIENT = 20
"""Steps in which all gradients may share the output layer's direction; in epochs under 100 steps, a fifth of one."""

FITTED = 0.99
"""Share of given labels predicted from which a training set counts as fitted."""


def transient(context: Context) -> int:
    """The first step that counts."""
    return min(TRANSIENT, context.steps_per_epoch // 5)


PUBLISHED_M = 50_000
"""Sample of the published curves against which m-coherence is compared (Chatterjee and Zielinski 2022) [S]."""

AVERAGED = "at averaged weights (off the training path)"
"""What a variant from `averaged` is called."""


def whole_network(store: Store, trials: pl.DataFrame, source: str = "probe") -> pl.DataFrame:
    """Probe rows of the whole network that have a gradient, of one m; empty where sizes are mixed."""
    rows = probes(store, trials, source).filter((pl.col("layer") == "*") & (pl.col("q") > 0))
    return rows if len(sample_sizes(rows)) <= 1 else rows.clear()


def averaged(store: Store, trials: pl.DataFrame) -> pl.DataFrame:
    """As `whole_network`, at the exponential average of the weights; empty where that was not probed."""
    return whole_network(store, trials, "probe-ema")


def size_of(rows: pl.DataFrame) -> int:
    """m of rows from `whole_network`; 0 without rows."""
    return max(sample_sizes(rows), default=0)


def pooled(
    rows: pl.DataFrame, start: float, end: float, *, to: int | None = None, of: str = "m_coherence"
) -> dict[int, float]:
    """Seed -> m-coherence over the probes from step `start` to `end`; rescaled to a sample of `to`, if given; or
    `alpha_unbiased`."""
    own = rows.filter(pl.col("step").is_between(start, end))
    if own.is_empty():
        return {}
    made = ratio_of_sums(own, ["seed"])
    value = pl.col(of) if to is None else rescaled(to)
    return dict(made.select("seed", value.alias("value")).drop_nulls().iter_rows())


def windows(rows: pl.DataFrame) -> pl.DataFrame:
    """Seed, window, mean step and m-coherence, in windows of steps, in order."""
    return ratio_of_sums(rows.with_columns(log_window()), ["seed", "window"]).sort("seed", "window")


def at_first(rows: pl.DataFrame) -> dict[int, float]:
    """Seed -> the probe at step 0."""
    return pooled(rows, 0, 0)


def at_last(rows: pl.DataFrame) -> dict[int, float]:
    """Seed -> the last window."""
    made = windows(rows)
    last = made.group_by("seed", maintain_order=True).last()
    return dict(last.select("seed", "m_coherence").iter_rows())


def peak(rows: pl.DataFrame, start: float, *, before_last: bool = False) -> dict[int, float]:
    """Seed -> highest windowed value among windows whose mean step is `start` or later; with `before_last` among those
    before the last, so that a curve which only rises has no peak above its end."""
    made = windows(rows)
    if before_last:
        made = made.filter(pl.col("window") < pl.col("window").max().over("seed"))
    made = made.filter(pl.col("step") >= start)
    return dict(made.group_by("seed").agg(pl.col("m_coherence").max()).iter_rows())


def last_step(rows: pl.DataFrame) -> int:
    """Of the probes; 0 without any."""
    value = rows["step"].max()
    return value if isinstance(value, int) else 0


def last_start(rows: pl.DataFrame) -> int:
    """First probed step of the last window; 0 without any."""
    made = rows.with_columns(log_window()).filter(pl.col("window") == pl.col("window").max())
    value = made["step"].min()
    return value if isinstance(value, int) else 0


def fitted_seeds(trials: pl.DataFrame) -> set[int]:
    """Seeds whose training set was fitted at the last evaluation; needs final_train_accuracy of `trials`."""
    return set(trials.filter(pl.col("final_train_accuracy") >= FITTED)["seed"])


def only(values: dict[int, float], seeds: set[int]) -> dict[int, float]:
    """Values of these seeds."""
    return {seed: value for seed, value in values.items() if seed in seeds}
