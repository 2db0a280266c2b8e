"""At first, pristine examples make more of the step than their number would by chance."""

import polars as pl

from analysis.contrasts import as_points, row, rows_or
from analysis.groups import beyond_null, beyond_null_by_step, group_rows
from analysis.store import Store
from analysis.sweeps import Sweep
from analysis.verdict import Claim

MARGIN = 0.05
FIRST_STEPS = 20
CONTRAST = "f of pristine examples minus the upper end of its null band, first steps"


def evaluate(store: Store, sweep: Sweep) -> Claim:
    """One row per model and corruption of some but not all labels that group-shares measured."""
    found = group_rows(store, sweep)
    places = found["where"].unique(maintain_order=True).to_list() if found.height else []
    rows = [
        row(
            where,
            CONTRAST,
            beyond_null(found, where, "pristine", 0, FIRST_STEPS),
            MARGIN,
            as_points,
            variants={
                **{f"steps 0 to {end}": beyond_null(found, where, "pristine", 0, end) for end in (5, 50)},
                "plain mean of f over probes": beyond_null_by_step(found, where, "pristine", 0, FIRST_STEPS),
            },
            seeds=found.filter(pl.col("where") == where)["seed"],
        )
        for where in places
    ]
    return Claim(
        name="pristine-drive-early",
        short="pristine examples drive the first steps",
        statement="Early in training, pristine examples make more of each step than a random set of as many would.",
        source="Chatterjee (2020), Coherent Gradients, f and null worlds as reported in secondary notes; the"
        " released code logs the gradients that they need.",
        evidence="C, N",
        unit="share of the step",
        margin=MARGIN,
        reasoning="More than 5 points of a hundred above the 97.5 % quantile of null worlds; f as sum of S . S_A over"
        " sum of ||S||^2 of the probes.",
        rows=rows_or(rows, CONTRAST, "No trial with partly corrupted labels has the instrument group-shares."),
    )
