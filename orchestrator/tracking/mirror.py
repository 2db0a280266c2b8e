"""One finished trial as a tracker shows it: config, history and summary, read from the store.

Everything here can be rebuilt from the tables; the tables stay the truth and hold more (all layers, all
steps). Knows no tracker.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from orchestrator.arms import flatten
from orchestrator.plugins_used import names_foreign
from orchestrator.rows import table_of
from orchestrator.store import Store
from trainables.records import SCHEMAS
from trainables.spec import parse_spec

POINTS = 1000
"""Most points of a curve; trackers slow down and refuse beyond."""

STATISTICS = ("n", "alpha", "m_coherence", "alpha_unbiased", "alpha_error", "effective_sample_size")
QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Of a statistic over the layers of a network: a tracker takes a few curves, not one for each layer."""

LAYERED = ("alpha", "m_coherence")
NOT_IN_SUMMARY = {"trial_id", "spec", "provenance"}
PARTS = ("model", "corruption", "aggregator")
SPEC_COLUMNS = SCHEMAS["trials"].names[1 : SCHEMAS["trials"].names.index("spec")]


@dataclass(frozen=True)
class Mirror:
    """config: the spec, flattened, defaults included. history: one mapping a step, keys by where they come from
    (`train/`, `online/`, `probe/`, `eval/`; `online-layers/`, `probe-layers/`: quantiles over layers), in order of
    steps. summary: final numbers and outcome."""

    trial_id: str
    name: str
    tags: list[str]
    config: dict[str, Any]
    history: list[dict[str, float]]
    summary: dict[str, Any]


def mirror(store: Store, trial_id: str) -> Mirror:
    """Read one finished trial."""
    row = table_of(store, "trials", trial_id).row(0, named=True)
    config = config_of(trial_id, row["spec"])
    return Mirror(
        trial_id=trial_id,
        name=name_of(config),
        tags=[*tags_of(config), str(row["outcome"])],
        config={**config, "provenance": json.loads(row["provenance"] or "{}")},
        history=history(*(table_of(store, table, trial_id) for table in ("steps", "layers", "evals"))),
        summary=final_of(row),
    )


def name_of(config: Mapping[str, Any]) -> str:
    """`mlp none mean seed 0`."""
    return " ".join([*(str(config[part]) for part in PARTS), f"seed {config['seed']}"])


def tags_of(config: Mapping[str, Any]) -> list[str]:
    """Names of the choices that tell arms apart."""
    return list(dict.fromkeys(str(config[part]) for part in ("dataset", *PARTS)))


def final_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Final numbers and outcome, of a row of `trials`."""
    left_out = {*NOT_IN_SUMMARY, *SPEC_COLUMNS}
    return {key: value for key, value in row.items() if value is not None and key not in left_out}


def thin(steps: Sequence[int], limit: int) -> list[int]:
    """At most `limit` of the steps, evenly spread, the first and the last among them."""
    if len(steps) <= limit:
        return list(steps)
    last = len(steps) - 1
    return [steps[round(index * last / max(1, limit - 1))] for index in range(limit)]


def history(
    steps: pl.DataFrame, layers: pl.DataFrame, evals: pl.DataFrame, *, limit: int = POINTS
) -> list[dict[str, float]]:
    """Curves merged by step, `limit` points at most. Rare measurements (probes, evaluations) are kept before the
    training curve."""
    points: dict[int, dict[str, float]] = defaultdict(dict)
    for row in evals.iter_rows(named=True):
        _add(points, row, f"eval/{row['split']}", ("loss", "accuracy", "original_accuracy"))
    for row in _whole_network(layers).iter_rows(named=True):
        source = row["source"] if row["estimator"] == "example" else f"{row['source']}-{row['estimator']}"
        _add(points, row, f"{source}/{row['group']}", STATISTICS)
    for step, prefix, found in _over_layers(layers):
        points[step].update({f"{prefix}/{name}": value for name, value in found.items()})
    rare = thin(sorted(points), limit)
    others = sorted(set(steps["step"].to_list()) - set(rare))
    kept = {*rare, *(thin(others, limit - len(rare)) if len(rare) < limit else [])}
    for row in steps.iter_rows(named=True):
        _add(points, row, "train", ("epoch", "lr", "loss", "accuracy"))
        _add(points, row, "online/all", STATISTICS)
    return [{"step": step, **points[step]} for step in sorted(kept)]


def _whole_network(layers: pl.DataFrame) -> pl.DataFrame:
    # `steps` holds the whole batch's online statistics already, at every measured step.
    in_steps = (pl.col("source") == "online") & (pl.col("group") == "all")
    return layers.filter((pl.col("layer") == "*") & ~in_steps)


def _over_layers(layers: pl.DataFrame) -> Iterator[tuple[int, str, dict[str, float]]]:
    """(step, `probe-layers`, {`alpha_q50`: ...}) of the whole batch or sample, where there are two layers or more."""
    whole = layers.filter((pl.col("layer") != "*") & (pl.col("group") == "all"))
    for (step, source, estimator), rows in whole.group_by("step", "source", "estimator"):
        prefix = f"{source}-layers" if estimator == "example" else f"{source}-{estimator}-layers"
        found: dict[str, float] = {}
        for name in LAYERED:
            values = rows[name].drop_nulls()
            if len(values) > 1:
                found |= {f"{name}_q{100 * q:.0f}": float(np.quantile(values, q)) for q in QUANTILES}
        if found:
            yield int(step), prefix, found  # type: ignore[call-overload]


def _add(points: dict[int, dict[str, float]], row: Mapping[str, Any], prefix: str, columns: Sequence[str]) -> None:
    found = {f"{prefix}/{name}": row[name] for name in columns if row.get(name) is not None}
    if found:
        points[row["step"]].update(found)


def config_of(trial_id: str, text: str) -> dict[str, Any]:
    """A canonical spec, flattened, defaults included; `arm` is the same for trials that differ in their seed alone."""
    spec = json.loads(text) if names_foreign(text) else parse_spec(text).model_dump(mode="json")
    cell = {key: value for key, value in json.loads(text).items() if key != "seed"}
    arm = hashlib.sha256(json.dumps(cell, sort_keys=True).encode()).hexdigest()[:8]
    return {"trial_id": trial_id, "arm": arm, **flatten(spec)}
