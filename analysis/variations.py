"""Trials that leave a common base in one setting at a time."""

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

import polars as pl

from analysis.coherence import probes
from analysis.query import ratio_of_sums
from analysis.store import Store
from analysis.sweeps import Sweep


@dataclass(frozen=True)
class Variation:
    """One setting. values: labels in order, `base` among them; rows: seed, value, early, late, gap."""

    name: str
    base: str
    values: tuple[str, ...]
    rows: pl.DataFrame


def settings_of(spec: dict[str, Any]) -> dict[str, Any]:
    """What a user would change next, of one spec."""
    model, optimizer, dataset = spec["model"], spec["optimizer"], spec["dataset"]
    widths = model.get("widths", [])
    own = {key: value for key, value in model.items() if key not in ("widths", "width")}
    return {
        "depth": len(widths) if widths else json.dumps(own),
        "width": max(widths, default=0) if widths else model.get("width", 0),
        "learning rate": optimizer.get("lr"),
        "batch size": spec["batch_size"],
        "momentum": optimizer.get("momentum", 0.0),
        "weight decay": optimizer.get("weight_decay", 0.0),
        "training examples": dataset.get("train_examples", 0),
        "augmentation": "yes" if "augmentation" in spec else "no",
    }


def variations(store: Store, sweep: Sweep) -> list[Variation]:
    """Settings that take two values or more while the others keep the base, the commonest value of each; plain
    averaging on original labels only. Needs of `layers`: q, s2, n of the probe; of `trials`: final accuracies."""
    trials = sweep.trials.filter((pl.col("aggregator_name") == "mean") & (pl.col("noise") == 0))
    found = {
        row["trial_id"]: settings_of(json.loads(row["spec"])) for row in trials.select("trial_id", "spec").to_dicts()
    }
    if not found:
        return []
    names = list(next(iter(found.values())))
    base = {name: Counter(map(str, (one[name] for one in found.values()))).most_common(1)[0][0] for name in names}
    measured = _measured(store, trials)
    made = []
    for name in names:
        values = {
            identity: one[name]
            for identity, one in found.items()
            if all(str(one[other]) == base[other] for other in names if other != name)
        }
        if len(set(map(str, values.values()))) > 1:
            made.append(_variation(name, base[name], values, measured))
    return made


def _variation(name: str, base: str, values: dict[str, Any], measured: pl.DataFrame) -> Variation:
    ordered = sorted(set(values.values()), key=lambda value: (isinstance(value, str), value))
    labels = tuple(_label(value) for value in ordered)
    own = pl.DataFrame({"trial_id": list(values), "value": [_label(value) for value in values.values()]})
    return Variation(name, _label(base), labels, measured.join(own, on="trial_id"))


def _label(value: Any) -> str:
    try:
        return f"{float(value):g}"
    except (TypeError, ValueError):
        return str(json.loads(value)["name"]) if str(value).startswith("{") else str(value)


def _measured(store: Store, trials: pl.DataFrame) -> pl.DataFrame:
    """early, late and gap per trial."""
    rows = probes(store, trials).filter(pl.col("layer") == "*")
    rows = rows.join(
        trials.select(
            "trial_id", (pl.col("train_examples") // pl.col("batch_size")).alias("epoch"), pl.col("steps").alias("last")
        ),
        on="trial_id",
    )
    early = rows.filter(
        (pl.col("step") >= pl.min_horizontal(20, pl.col("epoch") // 5)) & (pl.col("step") <= pl.col("epoch"))
    )
    late = rows.filter(pl.col("step") >= 2 * pl.col("last") / 3)
    both = [
        ratio_of_sums(part, ["trial_id"]).select("trial_id", pl.col("m_coherence").alias(name))
        for name, part in (("early", early), ("late", late))
    ]
    gap = (pl.col("final_train_accuracy") - pl.col("final_test_accuracy")).alias("gap")
    return (
        trials.select("trial_id", "seed", gap)
        .join(both[0], on="trial_id", how="left")
        .join(both[1], on="trial_id", how="left")
    )
