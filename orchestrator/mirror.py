"""One finished trial as a tracker shows it: config, history and summary, read from the store.

Everything here can be rebuilt from the tables; the tables stay the truth and hold more (all layers, all
steps). Knows no tracker.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from orchestrator.plugins_used import names_foreign
from orchestrator.store import COMPACTED, Store
from trainables.location import parquet_source
from trainables.records import SCHEMAS
from trainables.spec import parse_spec

POINTS = 1000
"""Most points of a curve; trackers slow down and refuse beyond."""

STATISTICS = ("n", "alpha", "m_coherence", "alpha_unbiased", "alpha_error", "effective_sample_size")
NOT_IN_SUMMARY = {"trial_id", "spec", "provenance"}
SPEC_COLUMNS = SCHEMAS["trials"].names[1 : SCHEMAS["trials"].names.index("spec")]


@dataclass(frozen=True)
class Mirror:
    """config: the spec, flattened, defaults included. history: one mapping a step, keys by where they come from
    (`train/`, `online/`, `probe/`, `eval/`), in order of steps. summary: final numbers and outcome."""

    trial_id: str
    name: str
    tags: list[str]
    config: dict[str, Any]
    history: list[dict[str, float]]
    summary: dict[str, Any]


def mirror(store: Store, trial_id: str) -> Mirror:
    """Read one finished trial."""
    row = _table(store, "trials", trial_id).row(0, named=True)
    parts = ("model", "corruption", "aggregator")
    return Mirror(
        trial_id=trial_id,
        name=" ".join([*(str(row[part]) for part in parts), f"seed {row['seed']}"]),
        tags=[str(row[part]) for part in ("dataset", *parts, "outcome")],
        config={**_config(row), "provenance": json.loads(row["provenance"] or "{}")},
        history=history(*(_table(store, table, trial_id) for table in ("steps", "layers", "evals"))),
        summary={
            key: value
            for key, value in row.items()
            if value is not None and key not in NOT_IN_SUMMARY and key not in SPEC_COLUMNS
        },
    )


def flatten(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as `outer_inner` keys; a choice's `name` stands under the choice's own key."""
    flat: dict[str, Any] = {}
    for key, value in content.items():
        path = prefix if key == "name" and prefix else f"{prefix}_{key}" if prefix else key
        flat.update(flatten(value, path) if isinstance(value, Mapping) else {path: value})
    return flat


def thin(steps: Sequence[int], limit: int) -> list[int]:
    """At most `limit` of the steps, evenly spread, the first and the last among them."""
    if len(steps) <= limit:
        return list(steps)
    last = len(steps) - 1
    return [steps[round(index * last / max(1, limit - 1))] for index in range(limit)]


def history(steps: pl.DataFrame, layers: pl.DataFrame, evals: pl.DataFrame) -> list[dict[str, float]]:
    """Curves merged by step. Rare measurements (probes, evaluations) are kept before the training curve."""
    points: dict[int, dict[str, float]] = defaultdict(dict)
    for row in evals.iter_rows(named=True):
        _add(points, row, f"eval/{row['split']}", ("loss", "accuracy", "original_accuracy"))
    for row in _whole_network(layers).iter_rows(named=True):
        source = row["source"] if row["estimator"] == "example" else f"{row['source']}-{row['estimator']}"
        _add(points, row, f"{source}/{row['group']}", STATISTICS)
    rare = thin(sorted(points), POINTS)
    others = sorted(set(steps["step"].to_list()) - set(rare))
    kept = {*rare, *(thin(others, POINTS - len(rare)) if len(rare) < POINTS else [])}
    for row in steps.iter_rows(named=True):
        _add(points, row, "train", ("epoch", "lr", "loss", "accuracy"))
        _add(points, row, "online/all", STATISTICS)
    return [{"step": step, **points[step]} for step in sorted(kept)]


def _whole_network(layers: pl.DataFrame) -> pl.DataFrame:
    # `steps` holds the whole batch's online statistics already, at every measured step.
    in_steps = (pl.col("source") == "online") & (pl.col("group") == "all")
    return layers.filter((pl.col("layer") == "*") & ~in_steps)


def _add(points: dict[int, dict[str, float]], row: Mapping[str, Any], prefix: str, columns: Sequence[str]) -> None:
    found = {f"{prefix}/{name}": row[name] for name in columns if row.get(name) is not None}
    if found:
        points[row["step"]].update(found)


def _config(row: Mapping[str, Any]) -> dict[str, Any]:
    text = row["spec"]
    spec = json.loads(text) if names_foreign(text) else parse_spec(text).model_dump(mode="json")
    return {"trial_id": row["trial_id"], **flatten(spec)}


def _table(store: Store, table: str, trial_id: str) -> pl.DataFrame:
    """Rows of one trial, from its own parts or from a compacted copy's."""
    files = store.parts(table, trial_id) or store.parts(table, COMPACTED)
    if not files:
        return pl.DataFrame(schema=pl.from_arrow(SCHEMAS[table].empty_table()).schema)  # type: ignore[union-attr]
    tables = [pq.read_table(parquet_source(path), filters=[("trial_id", "=", trial_id)]) for path in files]
    found = pl.from_arrow(pa.concat_tables(tables))
    assert isinstance(found, pl.DataFrame)
    return found
