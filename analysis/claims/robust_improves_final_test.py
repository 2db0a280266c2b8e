"""Robust aggregation ends with better test accuracy than plain averaging ends with."""

from analysis.contrasts import as_points, differences, row, rows_or
from analysis.ends import at_end
from analysis.robust import RULE, pairs
from analysis.store import Store
from analysis.sweeps import Sweep
from analysis.verdict import Claim

MARGIN = 0.01
CONTRAST = "test accuracy at the end, robust minus mean"


def evaluate(store: Store, sweep: Sweep) -> Claim:
    """One row per model, corruption of some but not all labels, and robust aggregator."""
    rows = [
        row(
            f"{where}, {label}",
            CONTRAST,
            differences(at_end(evals, mean, "test"), at_end(evals, robust, "test")),
            MARGIN,
            as_points,
            variants={
                f"last {count} evaluations": differences(
                    at_end(evals, mean, "test", count), at_end(evals, robust, "test", count)
                )
                for count in (1, 5)
            },
        )
        for where, label, evals, mean, robust in pairs(store, sweep)
    ]
    return Claim(
        name="robust-improves-final-test",
        short="robust aggregation improves the final test accuracy",
        statement="Suppressing weak directions improves the test accuracy of the final iterate under label noise.",
        source="Chatterjee and Zielinski (2022), abstract: such modifications attenuate memorisation and improve"
        " generalisation; Zielinski, Krishnan and Chatterjee (2020).",
        evidence="S",
        unit="share of test examples",
        margin=MARGIN,
        reasoning=f"More than 1 point of a hundred; {RULE}.",
        rows=rows_or(rows, CONTRAST, "No model was trained with mean and a robust aggregator both."),
    )
