"""Trials from fresh and from pretrained weights of one setting."""

import json
from collections.abc import Iterator

import polars as pl

from analysis.arms import Arms
from analysis.sweeps import Sweep

FRESH, FITTED = "fresh weights", "weights that fit random labels"


def starts_of(sweep: Sweep) -> Iterator[tuple[str, Arms, pl.DataFrame]]:
    """(model, arms, trials) of each setting that was trained from torch's own weights and from weights pretrained on
    all labels random. Needs of the specs: `init`."""
    trials = sweep.trials.with_columns(
        pl.Series("start", [_start(spec) for spec in sweep.trials["spec"]], dtype=pl.String),
        pl.Series("setting", [_setting(spec) for spec in sweep.trials["spec"]], dtype=pl.String),
    ).drop_nulls("start")
    for _, own in trials.group_by("setting", maintain_order=True):
        found = {name: own.filter(pl.col("start") == name)["trial_id"].to_list() for name in (FRESH, FITTED)}
        if all(found.values()):
            yield str(own["model_label"][0]), {name: (ids, (name, 0.0)) for name, ids in found.items()}, own


def _start(spec: str) -> str | None:
    init = json.loads(spec).get("init", "default")
    if not isinstance(init, dict):
        return FRESH if init in ("default", "cg20") else None
    corruption = init["corruption"]
    random = corruption.get("fraction") == 1 and corruption["name"] in ("permuted-labels", "uniform-labels")
    return FITTED if random else None


def _setting(spec: str) -> str:
    content = json.loads(spec)
    for key in ("seed", "init"):
        content.pop(key, None)
    return json.dumps(content, sort_keys=True)
