"""Trials whose last attempt failed, grouped by what went wrong, from the table `attempts` alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from analysis.store import Store


@dataclass(frozen=True)
class Failure:
    """Trials that share class and fingerprint of their failure. line: the last one of the example's traceback."""

    count: int
    failure: str
    line: str
    example: str


def failures(store: Store, trial_ids: Sequence[str]) -> list[Failure]:
    """Largest group first; of trials that are not done. The example is the first in their order."""
    attempts = store.read_all("attempts", list(trial_ids))
    last = (
        attempts.sort("attempt", "ended_at", nulls_last=False)
        .unique("trial_id", keep="last")
        .filter(pl.col("outcome") == "failed")
        .with_columns(pl.col("failure").fill_null("bug"), pl.col("fingerprint").fill_null(""))
    )
    order = {identity: place for place, identity in enumerate(trial_ids)}
    found = []
    for (failure, _), rows in last.group_by("failure", "fingerprint"):
        first = min(rows.iter_rows(named=True), key=lambda row: order[row["trial_id"]])
        lines = (first["message"] or "no traceback is recorded").strip().splitlines()
        found.append(Failure(rows.height, str(failure), lines[-1], first["trial_id"]))
    return sorted(found, key=lambda one: (-one.count, one.failure, order[one.example]))
