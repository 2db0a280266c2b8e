"""What m-coherence one reads, and by how much each choice of training and measuring changes it."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from analysis.query import ratio_of_sums
from analysis.stats import interval
from analysis.store import Store
from analysis.sweeps import Sweep

COLUMNS = ["trial_id", "step", "source", "group", "layer", "n", "k", "q", "s2", "m_coherence", "alpha_unbiased"]
WEIGHTS = {"probe": "raw", "probe-ema": "averaged"}

Cell = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Contrast:
    """A factor with its two values; the effect is log(second / first), matched in everything else.

    where: which readings take part; rescaled: to the smaller m of the pair.
    """

    factor: str
    field: str
    first: Any
    second: Any
    where: Callable[[Mapping[str, Any]], bool] = lambda _: True
    rescaled: bool = False


@dataclass(frozen=True)
class Effect:
    """Of one contrast on original (`real`) or random labels: matched pairs (log ratios), mean over seeds, interval."""

    factor: str
    labels: str
    first: str
    second: str
    pairs: tuple[float, ...]
    seeds: int
    center: float
    low: float
    high: float


def readings(store: Store, sweep: Sweep) -> list[dict[str, Any]]:
    """One per trial and point in weight space: its settings, m, and m-coherence pooled from the end of the first epoch
    to the end of training (sum of ||S||^2 over sum of Q, of groups of k inverted to one example).

    Needs of the specs: estimator, optimizer, batch_size, corruption; of `layers`: source, n, k, q, s2.
    """
    trials = sweep.trials.filter(pl.col("aggregator_name") == "mean")
    rows = store.read("layers", trials["trial_id"].to_list(), COLUMNS)
    rows = rows.filter(pl.col("source").is_in(list(WEIGHTS)) & (pl.col("group") == "all") & (pl.col("layer") == "*"))
    epoch = pl.col("train_examples") // pl.col("batch_size")
    known = trials.select("trial_id", "seed", "spec", "noise", "noise_kind", epoch.alias("epoch"))
    rows = rows.join(known, on="trial_id").filter(pl.col("step") >= pl.col("epoch"))
    found = []
    for (identity, source), own in rows.group_by("trial_id", "source", maintain_order=True):
        del identity
        pooled = ratio_of_sums(own, ["source"])
        if pooled.is_empty() or own["noise"][0] not in (0, 1) or own["noise_kind"][0].endswith("-pixels"):
            continue
        found.append(_reading(own.row(0, named=True), str(source), pooled.row(0, named=True)))
    return found


def _reading(row: Mapping[str, Any], source: str, pooled: Mapping[str, Any]) -> dict[str, Any]:
    spec = json.loads(row["spec"])
    estimator = spec.get("estimator", {"name": "example"})
    return {
        "seed": row["seed"],
        "labels": "random" if row["noise"] == 1 else "real",
        "mode": "evaluation" if estimator["name"] == "eval-mode" else "training",
        "k": row["k"],
        "batch": spec["batch_size"],
        "lr": spec["optimizer"]["lr"],
        "weights": WEIGHTS[source],
        "m": pooled["n"],
        "model": json.dumps(spec["model"], sort_keys=True),
        "alpha": pooled["alpha_unbiased"],
        "m_coherence": pooled["m_coherence"],
    }


FIELDS = ("labels", "mode", "k", "batch", "lr", "weights", "m", "model")


def contrasts(found: list[dict[str, Any]]) -> list[Contrast]:
    """Every factor that takes two values or more, between its extremes; k only between groups in training mode.

    The mode of batch normalisation changes k, one example against a group: of several group sizes the commonest stands.
    """
    sizes = Counter(one["k"] for one in found if one["k"] > 1)
    usual = {1, *(k for k, _ in sizes.most_common(1))}
    made = [Contrast("batch normalisation", "mode", "training", "evaluation", lambda one: one["k"] in usual)]
    made.append(Contrast("weights", "weights", "averaged", "raw"))
    for factor, field in (("learning rate", "lr"), ("batch size", "batch"), ("sample size m", "m")):
        values = sorted({one[field] for one in found})
        if len(values) > 1:
            made.append(Contrast(factor, field, values[0], values[-1]))
            if field == "m":
                made.append(Contrast("sample size m, rescaled", field, values[0], values[-1], rescaled=True))
    groups = sorted(sizes)
    if len(groups) > 1:
        made.append(Contrast("group size k", "k", groups[0], groups[-1], lambda one: one["k"] > 1))
    return made


def effect(found: list[dict[str, Any]], contrast: Contrast, labels: str) -> Effect | None:
    """Matched pairs; within a seed their mean, over seeds the mean and its interval. None without pairs.

    Everything but the contrast's field is matched, m too; for the mode of batch normalisation all but k.
    """
    free = {contrast.field, *(("k",) if contrast.field == "mode" else ())}
    match = [field for field in (*FIELDS, "seed") if field not in free]
    sides: list[dict[Cell, dict[str, Any]]] = [{}, {}]
    for one in found:
        if one["labels"] == labels and contrast.where(one) and one[contrast.field] in (contrast.first, contrast.second):
            cell = tuple((field, one[field]) for field in match)
            sides[one[contrast.field] == contrast.second][cell] = one
    by_seed: dict[int, list[float]] = {}
    for cell in sides[0].keys() & sides[1].keys():
        value = _log_ratio(sides[0][cell], sides[1][cell], rescaled=contrast.rescaled)
        if value is not None:
            by_seed.setdefault(sides[0][cell]["seed"], []).append(value)
    if not by_seed:
        return None
    center, low, high = interval(np.array([np.mean(values) for _, values in sorted(by_seed.items())]))
    pairs = tuple(value for _, values in sorted(by_seed.items()) for value in sorted(values))
    return Effect(
        contrast.factor, labels, f"{contrast.first}", f"{contrast.second}", pairs, len(by_seed), center, low, high
    )


def _log_ratio(first: Mapping[str, Any], second: Mapping[str, Any], *, rescaled: bool) -> float | None:
    m = min(first["m"], second["m"])
    values = [1 + (m - 1) * one["alpha"] if rescaled else one["m_coherence"] for one in (first, second)]
    return float(np.log(values[1] / values[0])) if min(values) > 0 else None
