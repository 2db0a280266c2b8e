"""The row of `trials`: what a reader sorts and filters by, and what a trial came to."""

from typing import Any

from orchestrator.plugins_used import with_plugins_of
from trainables.records import CURVES, NUMERICS_VERSION
from trainables.result import TrialResult
from trainables.spec import TrialSpec, canonical_json


def trial_row(spec: TrialSpec, trial_id: str, result: TrialResult, provenance: str) -> dict[str, Any]:
    """One row of `trials`."""
    return {
        "trial_id": trial_id,
        **flattened(spec),
        "spec": canonical_json(spec),
        "outcome": result.outcome,
        "reason": result.reason,
        "steps": result.end_step,
        **result.facts,
        **result.finals,
        **{f"rows_{table}": number for table, number in result.rows.items() if table in CURVES},
        "numerics_version": NUMERICS_VERSION,
        "provenance": with_plugins_of(spec, provenance),
    }


def flattened(spec: TrialSpec) -> dict[str, Any]:
    """The fields of a spec that have columns of their own."""
    return {
        "dataset": spec.dataset.name,
        "model": spec.model.name,
        "corruption": spec.corruption.name,
        "corruption_fraction": getattr(spec.corruption, "fraction", 0.0),
        "aggregator": spec.aggregator.name,
        "aggregator_level": getattr(spec.aggregator, "level", None),
        "tail_count": spec.tail_count,
        "optimizer": spec.optimizer.name,
        "lr": getattr(spec.optimizer, "lr", None),
        "loss": spec.loss.name,
        "batch_size": spec.batch_size,
        "epochs": spec.epochs,
        "seed": spec.seed,
        "engine": spec.engine,
        "estimator": spec.estimator.name,
    }
