"""Trainings that were measured twice, on samples of different size that do not overlap."""

import json

import polars as pl

from analysis.sweeps import Sweep


def sample_trials(sweep: Sweep) -> tuple[pl.DataFrame, str] | None:
    """(trials, model) of the first setting whose probes take m examples and, after skipping those, more; None without.

    Needs of the specs: `measure.probe.examples` and `skip`. Adds `probed` and `skipped`.
    """
    rows = [json.loads(spec) for spec in sweep.trials["spec"]]
    probes = [(row.get("measure") or {}).get("probe") or {} for row in rows]
    for row in rows:
        for key in ("measure", "seed", "corruption"):
            row.pop(key, None)
    trials = sweep.trials.with_columns(
        pl.Series("setting", [json.dumps(row, sort_keys=True) for row in rows], dtype=pl.String),
        pl.Series("skipped", [int(probe.get("skip", 0)) for probe in probes], dtype=pl.Int64),
    )
    for _, own in trials.group_by("setting", maintain_order=True):
        if own["skipped"].n_unique() > 1:
            return own, str(own["model_label"][0])
    return None
