"""Robust aggregators beside plain averaging on the same partly corrupted labels: what several claims compare."""

from collections.abc import Iterator

import polars as pl

from analysis.ends import ids_of
from analysis.learning import evaluations, partly_corrupt
from analysis.store import Store
from analysis.sweeps import Sweep

ROBUST = ("winsorized", "median-of-3", "rolling-median-of-3")
MOST = 12
"""Rows that a claim shows: beyond these, of each aggregator the level in the middle of those trained."""


RULE = (
    f"beyond {MOST} contrasts with robust aggregators, the middle one of the levels trained stands for each aggregator"
)


def pairs(store: Store, sweep: Sweep) -> Iterator[tuple[str, str, pl.DataFrame, list[str], list[str]]]:
    """(where, aggregator, evaluations, ids of mean, ids of the robust one) of each setting that has both.

    Of several levels of one aggregator the middle one stands for all where rows would be more than MOST.
    """
    found = [
        (f"{context.label}, {label}", chosen.trials)
        for context in sweep.contexts()
        for label, chosen in partly_corrupt(context)
        if (chosen.trials["aggregator_name"] == "mean").any()
    ]
    labels = [(where, trials, _robust(trials)) for where, trials in found]
    many = sum(len(each) for _, _, each in labels) > MOST
    for where, trials, robust in labels:
        evals, mean = evaluations(store, trials), ids_of(trials, "aggregator_name", "mean")
        for label in _middle(trials, robust) if many else robust:
            yield where, label, evals, mean, ids_of(trials, "aggregator_label", label)


def _robust(trials: pl.DataFrame) -> list[str]:
    own = trials.filter(pl.col("aggregator_name").is_in(ROBUST)).sort("position")
    return own["aggregator_label"].unique(maintain_order=True).to_list()


def _middle(trials: pl.DataFrame, labels: list[str]) -> list[str]:
    names: dict[str, list[str]] = {}
    columns = ["aggregator_label", "aggregator_name", "aggregator_level"]
    known = trials.sort("aggregator_level", "position").select(columns).unique(maintain_order=True)
    for label, name, _ in known.iter_rows():
        if label in labels:
            names.setdefault(name, []).append(label)
    return [of_one[(len(of_one) - 1) // 2] for of_one in names.values()]
