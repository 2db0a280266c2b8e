"""In the end, corrupt examples make more of the step than their number would by chance."""

import polars as pl

from analysis.contrasts import as_points, row, rows_or
from analysis.groups import beyond_null, beyond_null_by_step, group_rows
from analysis.store import Store
from analysis.sweeps import Sweep
from analysis.verdict import Claim

MARGIN = 0.05
FROM, TO = 1 / 3, 2 / 3
# The middle third of the run: later, where everything is fitted, the shares are a ratio of rounding to rounding.
CONTRAST = "f of corrupt examples minus the upper end of its null band, middle third of the run"


def evaluate(store: Store, sweep: Sweep) -> Claim:
    """One row per model and corruption of some but not all labels that group-shares measured."""
    found = group_rows(store, sweep)
    rows = []
    for where in found["where"].unique(maintain_order=True).to_list() if found.height else []:
        own = found.filter(pl.col("where") == where)
        last = float(own["step"].max())  # type: ignore[arg-type]
        spans = {"last third of the run": (2 / 3, 1.0), "whole second half": (0.5, 1.0)}
        rows.append(
            row(
                where,
                CONTRAST,
                beyond_null(found, where, "corrupt", FROM * last, TO * last),
                MARGIN,
                as_points,
                variants={
                    **{
                        words: beyond_null(found, where, "corrupt", a * last, b * last)
                        for words, (a, b) in spans.items()
                    },
                    "plain mean of f over probes": beyond_null_by_step(found, where, "corrupt", FROM * last, TO * last),
                },
                seeds=own["seed"],
            )
        )
    return Claim(
        name="corrupt-drive-late",
        short="corrupt examples drive the later steps",
        statement="Later in training, corrupt examples make more of each step than a random set of as many would.",
        source="Chatterjee (2020), Coherent Gradients, f and null worlds as reported in secondary notes (absent"
        " there at 75 % noise but weakly); the released code logs the gradients that they need.",
        evidence="C, N",
        unit="share of the step",
        margin=MARGIN,
        reasoning="More than 5 points of a hundred above the 97.5 % quantile of null worlds; f as sum of S . S_A over"
        " sum of ||S||^2 of the probes.",
        rows=rows_or(rows, CONTRAST, "No trial with partly corrupted labels has the instrument group-shares."),
    )
