"""Aggregators at several learning rates, and each one's own best by a rule that looks at training data only."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from analysis.learning import LAST, evaluations
from analysis.query import last_mean
from analysis.store import Store
from analysis.sweeps import Sweep

RATE_RULE = "the rate with the highest accuracy on pristine training labels at the end, mean over seeds"


@dataclass(frozen=True)
class Tuned:
    """One setting. ends: per trial and split, y = mean accuracy of the last evaluations;
    aggregators: label -> name; best: label -> rate."""

    label: str
    rates: tuple[float, ...]
    aggregators: dict[str, str]
    ends: pl.DataFrame
    best: dict[str, float]


def tuned(store: Store, sweep: Sweep) -> Iterator[Tuned]:
    """Settings that differ in aggregator, learning rate and seed only, with partly corrupted labels. Needs of `trials`:
    lr; of `evals`: split, accuracy."""
    trials = sweep.trials.filter(
        pl.col("noise").is_between(0, 1, closed="none") & pl.col("noise_kind").str.ends_with("-labels")
    )
    trials = trials.with_columns(pl.Series("setting", [_setting(spec) for spec in trials["spec"]], dtype=pl.String))
    for _, own in trials.group_by("setting", maintain_order=True):
        rates = tuple(sorted(own["lr"].unique()))
        names = dict(
            own.sort("position").select("aggregator_label", "aggregator_name").unique(maintain_order=True).rows()
        )
        if len(rates) < 2 or len(names) < 2:
            continue
        ends = last_mean(evaluations(store, own), evaluations=LAST).rename({"accuracy": "y"})
        ends = ends.join(own.select("trial_id", "seed", "lr", "aggregator_label"), on="trial_id")
        ends = ends.sort("lr", "seed")
        label = f"{own['model_label'][0]}, {own['noise_label'][0]}"
        yield Tuned(label, rates, names, ends, {name: _best(ends, name) for name in names})


def _best(ends: pl.DataFrame, label: str) -> float:
    own = ends.filter((pl.col("aggregator_label") == label) & (pl.col("split") == "pristine"))
    return best_rate(dict(own.group_by("lr").agg(pl.col("y").mean()).iter_rows()))


def best_rate(pristine: Mapping[float, float]) -> float:
    """Of rate -> accuracy on pristine training labels at the end, mean over seeds: the best, of equals the smallest."""
    return min(pristine, key=lambda rate: (-pristine[rate], rate))


def _setting(spec: str) -> str:
    content = json.loads(spec)
    content["optimizer"] = {key: value for key, value in content["optimizer"].items() if key != "lr"}
    for key in ("seed", "aggregator", "measure"):
        content.pop(key, None)
    return json.dumps(content, sort_keys=True)
