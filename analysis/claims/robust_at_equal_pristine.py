"""At the moment when pristine labels are fitted, robust aggregation has memorised less than plain averaging."""

import polars as pl

from analysis.contrasts import as_points, differences, row, rows_or
from analysis.ends import when_reached
from analysis.robust import RULE, pairs
from analysis.store import Store
from analysis.sweeps import Sweep
from analysis.verdict import Claim

MARGIN = 0.02
LEVEL = 0.9
CONTRAST = "corrupt labels predicted when pristine accuracy first reaches 0.9, mean minus robust"


def evaluate(store: Store, sweep: Sweep) -> Claim:
    """One row per model, corruption of some but not all labels, and robust aggregator."""
    rows = [
        row(
            f"{where}, {label}",
            CONTRAST,
            _effect(evals, robust, mean, LEVEL),
            MARGIN,
            as_points,
            variants={f"pristine accuracy {level}": _effect(evals, robust, mean, level) for level in (0.8, 0.85)},
            seeds=evals["seed"],
            lost=f"since one of the two never predicted {LEVEL} of the pristine labels",
        )
        for where, label, evals, mean, robust in pairs(store, sweep)
    ]
    return Claim(
        name="robust-at-equal-pristine",
        short="robust aggregation memorises less at equal fit of pristine labels",
        statement="Robust aggregation is not only slower: when it has fitted nine of ten pristine labels, it has"
        " memorised fewer corrupt ones than plain averaging had then.",
        source="Our question to Zielinski, Krishnan and Chatterjee (2020): a rule that slows everything would look"
        " robust at a fixed step.",
        evidence="S",
        unit="share of corrupt labels",
        margin=MARGIN,
        reasoning=f"More than 2 points of a hundred; seeds that never reach 0.9 are left out; {RULE}.",
        rows=rows_or(rows, CONTRAST, "No model was trained with mean and a robust aggregator both."),
    )


def _effect(evals: pl.DataFrame, robust: list[str], mean: list[str], level: float) -> dict[int, float]:
    first, second = (when_reached(evals, ids, "pristine", level, "corrupt") for ids in (robust, mean))
    return differences(first, second)
