"""What m-coherence one reads, and by how much each choice of training and measuring changes it."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from analysis.errors import Skipped
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

    where: which readings take part; free: further fields that need not match; rescaled: to the smaller m of the pair.
    """

    factor: str
    field: str
    first: Any
    second: Any
    where: Callable[[Mapping[str, Any]], bool] = lambda _: True
    free: tuple[str, ...] = ()
    rescaled: bool = False


@dataclass(frozen=True)
class Effect:
    """Of one contrast: matched pairs (log ratios), mean over seeds, interval. labels: `real` (original), `random`, or
    `both` where the labels are what differs."""

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
    to the end of training (sum of ||S||^2 over sum of Q, of groups of k inverted to one example); `top` is the highest
    single probe in the same stretch.

    Needs of the specs: estimator, optimizer, batch_size, corruption; of `layers`: source, n, k, q, s2.
    """
    trials = sweep.trials.filter(pl.col("aggregator_name") == "mean")
    rows = store.read("layers", trials["trial_id"].to_list(), COLUMNS)
    rows = rows.filter(pl.col("source").is_in(list(WEIGHTS)) & (pl.col("group") == "all") & (pl.col("layer") == "*"))
    epoch = pl.col("train_examples") // pl.col("batch_size")
    known = trials.select("trial_id", "seed", "spec", "noise", "noise_kind", "lr", epoch.alias("epoch"))
    rows = rows.join(known, on="trial_id").filter(pl.col("step") >= pl.col("epoch"))
    found = []
    for (identity, source), own in rows.group_by("trial_id", "source", maintain_order=True):
        del identity
        pooled = ratio_of_sums(own, ["source"])
        if pooled.is_empty() or own["noise"][0] not in (0, 1) or own["noise_kind"][0].endswith("-pixels"):
            continue
        single = ratio_of_sums(own.with_columns(pl.col("step").alias("window")), ["window"])["m_coherence"].max()
        found.append(_reading(own.row(0, named=True), str(source), pooled.row(0, named=True)) | {"top": single})
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
        "lr": row["lr"],
        "weights": WEIGHTS[source],
        "m": pooled["n"],
        "asked": str(((spec.get("measure") or {}).get("probe") or {}).get("examples", "default")),
        "rest": json.dumps(_rest(spec), sort_keys=True),
        "alpha": pooled["alpha_unbiased"],
        "m_coherence": pooled["m_coherence"],
    }


def _rest(spec: Mapping[str, Any]) -> dict[str, Any]:
    factors = {"corruption", "estimator", "batch_size", "optimizer", "seed", "measure"}
    rest = {key: value for key, value in spec.items() if key not in factors}
    return rest | {"optimizer": {key: value for key, value in spec["optimizer"].items() if key != "lr"}}


FIELDS = ("labels", "mode", "k", "batch", "lr", "weights", "asked", "rest")
"""What must match. rest: all of the spec that is no factor; asked: stands for m, since examples beyond the last whole
group of k are left out of m."""

LABELS = ("real", "random", "both")


def contrasts(found: list[dict[str, Any]]) -> list[Contrast]:
    """Every factor that takes two values or more, between its extremes; k only between groups in training mode.

    Examples in evaluation mode are compared with groups of the commonest k.
    """
    made = [
        Contrast("labels", "labels", "random", "real"),
        Contrast("batch normalisation", "mode", "training", "evaluation", _main_groups(found), ("k",)),
        Contrast("weights", "weights", "averaged", "raw"),
    ]
    for factor, field in (("learning rate", "lr"), ("batch size", "batch")):
        values = sorted({one[field] for one in found})
        if len(values) > 1:
            made.append(Contrast(factor, field, values[0], values[-1]))
    sizes = sorted({(one["m"], one["asked"]) for one in found})
    if len({asked for _, asked in sizes}) > 1:
        small, large = sizes[0][1], sizes[-1][1]
        made.append(Contrast("sample size m", "asked", small, large))
        made.append(Contrast("sample size m, rescaled", "asked", small, large, rescaled=True))
    groups = sorted({one["k"] for one in found if one["k"] > 1})
    if len(groups) > 1:
        made.append(Contrast("group size k", "k", groups[0], groups[-1], lambda one: one["k"] > 1))
    return made


def _main_groups(found: list[dict[str, Any]]) -> Callable[[Mapping[str, Any]], bool]:
    counts = Counter(one["k"] for one in found if one["mode"] == "training")
    common = counts.most_common(1)[0][0] if counts else 1
    return lambda one: one["mode"] == "evaluation" or bool(one["k"] == common)


def effect(found: list[dict[str, Any]], contrast: Contrast, labels: str) -> Effect | None:
    """Matched pairs; within a seed their mean, over seeds the mean and its interval. None without pairs.

    Raises Skipped where two readings have the same settings: what tells them apart is no factor known here.
    """
    match = [field for field in (*FIELDS, "seed") if field not in (contrast.field, *contrast.free)]
    sides: list[dict[Cell, dict[str, Any]]] = [{}, {}]
    for one in found:
        known = labels == ("both" if contrast.field == "labels" else one["labels"])
        if known and contrast.where(one) and one[contrast.field] in (contrast.first, contrast.second):
            cell = tuple((field, one[field]) for field in match)
            side = sides[one[contrast.field] == contrast.second]
            if cell in side:
                raise Skipped(f"two trials differ in none of {', '.join(FIELDS[:-1])} and seed")
            side[cell] = one
    pairs = [(sides[0][cell], sides[1][cell]) for cell in sides[0] if cell in sides[1]]
    values = [(a["seed"], _log_ratio(a, b, rescaled=contrast.rescaled)) for a, b in pairs]
    first, second = ((pairs[0][side] if pairs else {}).get("m", "") for side in (0, 1))
    if contrast.field != "asked":
        first, second = contrast.first, contrast.second
    return summary(contrast.factor, labels, (f"{first}", f"{second}"), values)


def of_single_probes(found: list[dict[str, Any]], labels: str) -> Effect | None:
    """What reading the highest single probe does, over pooling: no other trials, another summary of the same."""
    own = [one for one in found if one["labels"] == labels and min(one["top"], one["m_coherence"]) > 0]
    values = [(one["seed"], float(np.log(one["top"] / one["m_coherence"]))) for one in own]
    return summary("summary", labels, ("pooled", "highest single probe"), values)


def summary(
    factor: str, labels: str, sides: tuple[str, str], values: Sequence[tuple[int, float | None]]
) -> Effect | None:
    """Mean over pairs within a seed, then over seeds with its interval. values: seed, log ratio (None: undefined)."""
    by_seed: dict[int, list[float]] = {}
    for seed, value in values:
        if value is not None:
            by_seed.setdefault(seed, []).append(value)
    if not by_seed:
        return None
    center, low, high = interval(np.array([np.mean(own) for _, own in sorted(by_seed.items())]))
    pairs = tuple(value for _, own in sorted(by_seed.items()) for value in sorted(own))
    return Effect(factor, labels, *sides, pairs, len(by_seed), center, low, high)


def _log_ratio(first: Mapping[str, Any], second: Mapping[str, Any], *, rescaled: bool) -> float | None:
    """None where a value is not positive and has no logarithm."""
    m = min(first["m"], second["m"])
    values = [1 + (m - 1) * one["alpha"] if rescaled else one["m_coherence"] for one in (first, second)]
    return float(np.log(values[1] / values[0])) if min(values) > 0 else None
