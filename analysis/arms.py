"""Lines of one quantity, one per arm of trials: what most figures about learning are made of."""

from collections.abc import Mapping

import polars as pl

from analysis.curves import Line
from analysis.learning import eval_line
from analysis.sweeps import Context

Arms = Mapping[str, tuple[list[str], tuple[str, float]]]
"""Name of an arm -> trial ids and style."""


def by_noise(context: Context) -> Arms:
    """Label noises, in the order of their fraction."""
    return {
        label: (trials["trial_id"].to_list(), (trials["noise_kind"][0], trials["noise"][0]))
        for (label,), trials in context.arms("noise_label")
    }


def eval_lines(
    evals: pl.DataFrame, arms: Arms, split: str, value: str = "accuracy", epoch: int = 1
) -> tuple[Line, ...]:
    """One line per arm that has evaluations of this split; x in steps, or in epochs of `epoch` steps; losses are
    summarised over seeds on the log scale."""
    lines = []
    for name, (ids, style) in arms.items():
        own = evals.filter(pl.col("trial_id").is_in(ids) & (pl.col("split") == split)).drop_nulls(value)
        if not own.is_empty():
            lines.append(eval_line(own, value, name, style, epoch=epoch, log=value == "loss"))
    return tuple(lines)


def end_of(one: Line, count: int = 3) -> float:
    """Mean of the last `count` defined points of the centre."""
    values = [y for y in one.center if y is not None][-count:]
    return sum(values) / len(values) if values else float("nan")
