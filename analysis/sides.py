"""Trials on the easy, the hard and a mixed part of one training set."""

import json
from collections.abc import Iterator

import polars as pl

from analysis.arms import Arms
from analysis.sweeps import Sweep

SIDES = ("easy", "hard", "mixed")


def sides_of(sweep: Sweep) -> Iterator[tuple[str, Arms, pl.DataFrame]]:
    """(model, arms `trained on SIDE`, trials) of each setting in which an easy and a hard side were trained on.

    Needs of the specs: `difficulty`.
    """
    trials = sweep.trials.with_columns(
        pl.Series("side", [_side(spec) for spec in sweep.trials["spec"]], dtype=pl.String),
        pl.Series("setting", [_setting(spec) for spec in sweep.trials["spec"]], dtype=pl.String),
    ).drop_nulls("side")
    for _, own in trials.group_by("setting", maintain_order=True):
        found = {
            side: own.filter(pl.col("side") == side)["trial_id"].to_list()
            for side in SIDES
            if (own["side"] == side).any()
        }
        if {"easy", "hard"} <= found.keys():
            arms: Arms = {f"trained on {side}": (ids, (side, 0.0)) for side, ids in found.items()}
            yield str(own["model_label"][0]), arms, own


def _side(spec: str) -> str | None:
    difficulty = json.loads(spec).get("difficulty")
    return None if difficulty is None else str(difficulty["side"])


def _setting(spec: str) -> str:
    content = json.loads(spec)
    content.pop("seed")
    (content.get("difficulty") or {}).pop("side", None)
    return json.dumps(content, sort_keys=True)
