"""Accuracies that the claims compare, per seed: at the end, at their best, and when something was reached."""

import polars as pl

from analysis.learning import LAST
from analysis.query import last_mean, steps_to


def at_end(evals: pl.DataFrame, ids: list[str], split: str, count: int = LAST) -> dict[int, float]:
    """Seed -> mean accuracy over the last `count` evaluations of these trials on a split."""
    own = evals.filter(pl.col("trial_id").is_in(ids) & (pl.col("split") == split))
    made = last_mean(own, evaluations=count)
    return dict(
        made.join(own.select("trial_id", "seed").unique(), on="trial_id").select("seed", "accuracy").iter_rows()
    )


def at_best(evals: pl.DataFrame, ids: list[str], split: str) -> dict[int, float]:
    """Seed -> highest accuracy of any evaluation: chosen in hindsight."""
    own = evals.filter(pl.col("trial_id").is_in(ids) & (pl.col("split") == split))
    return dict(own.group_by("seed").agg(pl.col("accuracy").max()).iter_rows())


def when_reached(evals: pl.DataFrame, ids: list[str], reach: str, level: float, split: str) -> dict[int, float]:
    """Seed -> accuracy on `split` at the first evaluation at which accuracy on `reach` is `level` or more; seeds that
    never get there are left out."""
    own = evals.filter(pl.col("trial_id").is_in(ids))
    reached = steps_to(own.filter(pl.col("split") == reach), level).drop_nulls("reached")
    there = own.filter(pl.col("split") == split).join(
        reached.select("trial_id", pl.col("reached").alias("step")), on=["trial_id", "step"]
    )
    return dict(there.select("seed", "accuracy").iter_rows())


def step_reached(evals: pl.DataFrame, ids: list[str], split: str, level: float) -> tuple[dict[int, float], set[int]]:
    """(seed -> first evaluated step with this accuracy, or the last step where it was never reached; seeds of the
    latter)."""
    own = evals.filter(pl.col("trial_id").is_in(ids) & (pl.col("split") == split))
    made = steps_to(own, level).join(own.select("trial_id", "seed").unique(), on="trial_id")
    late = set(made.filter(pl.col("reached").is_null())["seed"])
    steps = made.with_columns(pl.col("reached").fill_null(pl.col("last_step")).cast(pl.Float64))
    return dict(steps.select("seed", "reached").iter_rows()), late


def ids_of(trials: pl.DataFrame, column: str, value: object) -> list[str]:
    """Trials whose column has this value."""
    return trials.filter(pl.col(column) == value)["trial_id"].to_list()
