"""Accuracy on groups of examples: what the figures and claims about memorisation share."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from analysis.curves import Line, line
from analysis.drawing import describe
from analysis.query import last_mean
from analysis.stats import interval
from analysis.store import Store
from analysis.sweeps import Context

LEVEL = 0.5
"""Half learnt: this share of a group's given labels is predicted."""

SPLITS = ("corrupt", "pristine", "test")
HEADINGS = {
    "corrupt": "corrupt labels predicted (memorised)",
    "pristine": "pristine labels predicted",
    "test": "clean test labels predicted",
}
"""What memorisation is read from, and the words above its panels."""

LAST = 3
"""Single evaluations at the end are erratic (the iterate bounces); the last three are averaged."""


def evaluations(store: Store, trials: pl.DataFrame) -> pl.DataFrame:
    """Evaluations of these trials that have examples, with seed."""
    columns = ["trial_id", "step", "split", "loss", "accuracy", "count"]
    rows = store.read("evals", trials["trial_id"].to_list(), columns)
    return rows.drop_nulls("accuracy").join(trials.select("trial_id", "seed"), on="trial_id").sort("step")


def partly_corrupt(context: Context) -> list[tuple[str, Context]]:
    """(noise label, trials) for every corruption that selects some examples but not all, so that both groups exist."""
    partial = context.trials.filter(
        pl.col("noise").is_between(0, 1, closed="none") & pl.col("noise_kind").str.ends_with("-labels")
    )
    groups = partial.sort("noise", "position").group_by("noise_label", maintain_order=True)
    return [(str(key[0]), Context(context.key, context.label, frame)) for key, frame in groups]


def aggregator_styles(context: Context) -> dict[str, tuple[str, float]]:
    """Aggregator label -> (name, how many labels of the same name came before)."""
    seen: dict[str, int] = {}
    styles = {}
    pairs = context.trials.sort("position").select("aggregator_name", "aggregator_label").unique(maintain_order=True)
    for name, label in pairs.iter_rows():
        styles[label] = (name, float(seen.get(name, 0)))
        seen[name] = seen.get(name, 0) + 1
    return styles


def split_line(
    rows: pl.DataFrame, value: str, key: str, style: tuple[str, float], *, per: float = 1, log: bool = False
) -> Line:
    """A column of `evals` against step / `per`, aligned on the evaluated step; over seeds plain, or geometric (log)."""
    defined = rows.drop_nulls(value)
    aligned = defined.select(
        "seed", pl.col("step").alias("window"), (pl.col("step") / per).alias("x"), pl.col(value).alias("y")
    )
    return line(aligned, key, style, log=log)


def accuracy_line(rows: pl.DataFrame, key: str, style: tuple[str, float]) -> Line:
    """Accuracy against step, aligned on the evaluated step; plain mean over seeds."""
    return split_line(rows, "accuracy", key, style)


def split_lines(
    store: Store, context: Context, splits: Sequence[str], by: str = "aggregator_label"
) -> dict[str, list[tuple[str, pl.DataFrame]]]:
    """Split -> (arm, its evaluations) for every arm of a context that has any, in the order of the sweep."""
    evals = evaluations(store, context.trials)
    found: dict[str, list[tuple[str, pl.DataFrame]]] = {split: [] for split in splits}
    for (label,), trials in context.arms(by):
        own = evals.filter(pl.col("trial_id").is_in(trials["trial_id"].to_list()))
        for split in splits:
            rows = own.filter(pl.col("split") == split)
            if not rows.is_empty():
                found[split].append((label, rows))
    return found


def end(rows: pl.DataFrame, value: str = "accuracy") -> dict[int, float]:
    """Seed -> mean of the last evaluations of one arm on one split."""
    means = last_mean(rows, value, LAST).join(rows.select("trial_id", "seed").unique(), on="trial_id").sort("seed")
    return dict(means.select("seed", value).iter_rows())


def said_interval(values: Sequence[float]) -> str:
    """`0.57 [0.51, 0.62]`; the value alone for one seed, `undefined` for none."""
    if not values:
        return "undefined"
    center, low, high = interval(np.array(values))
    known = len(values) > 1
    return describe(center, low if known else None, high if known else None)


def said_end(values: Sequence[float]) -> str:
    """`0.57 [0.51, 0.62] (n = 3)`."""
    return f"{said_interval(values)} (n = {len(values)})" if values else "undefined"


def proper_level(noise: float, number: int) -> float:
    """Training accuracy of a classifier that knows every original label: 1 - f + f / C for C equal classes."""
    return 1 - noise + noise / number


def classes(store: Store, trials: pl.DataFrame) -> int | None:
    """Distinct original labels among the training examples of one trial; None where `examples` is empty."""
    rows = store.read("examples", trials["trial_id"].to_list()[:1], ["original_label"])
    return rows["original_label"].n_unique() or None


def chance(store: Store, context: Context) -> float | None:
    """Accuracy of guessing among equally frequent classes."""
    number = classes(store, context.trials)
    return None if number is None else 1 / number


def proper_accuracy(trials: pl.DataFrame) -> float | None:
    """Share of the given training labels that a classifier with every original label would predict.

    Counted, not computed from the fraction: 1 - (corrupt examples) / (training examples), mean over `trials`; needs
    corrupt_examples and train_examples. None where they are unknown.
    """
    known = trials.drop_nulls(["corrupt_examples", "train_examples"])
    if known.is_empty():
        return None
    return float((1 - known["corrupt_examples"] / known["train_examples"]).mean())  # type: ignore[arg-type]


def eval_line(
    rows: pl.DataFrame, value: str, key: str, style: tuple[str, float], *, epoch: int = 1, log: bool = False
) -> Line:
    """A column of `evals` against step (or epoch, of `epoch` steps), over seeds plainly or on the log scale. rows: of
    one split."""
    defined = rows.drop_nulls(value)
    aligned = defined.select(
        "seed", pl.col("step").alias("window"), (pl.col("step") / epoch).alias("x"), pl.col(value).alias("y")
    )
    return line(aligned, key, style, log=log)


def overfit_rows(evals: pl.DataFrame, fraction: float, classes: int) -> pl.DataFrame:
    """Adjusted overfit at each evaluated step: train accuracy - [f / C + (1 - f) test accuracy], in share of examples.

    evals: rows of trials at one `fraction` f of selected labels among C classes; needs trial_id, seed, step, split,
    accuracy. Adds `overfit`. The bracket is what a network that only knows original labels scores on given ones.
    """
    sides = [evals.filter(pl.col("split") == split) for split in ("train", "test")]
    both = sides[0].join(sides[1].select("trial_id", "step", "accuracy"), on=["trial_id", "step"], suffix="_test")
    expected = fraction / classes + (1 - fraction) * pl.col("accuracy_test")
    return both.with_columns((pl.col("accuracy") - expected).alias("overfit"))
