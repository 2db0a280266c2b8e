"""Winsorizing more than one value a tail keeps training accuracy at or below what original labels alone would give."""

import polars as pl

from analysis.contrasts import as_points, row, rows_or
from analysis.ends import at_end
from analysis.learning import evaluations, partly_corrupt, proper_accuracy
from analysis.store import Store
from analysis.sweeps import Context, Sweep
from analysis.verdict import Claim, Row

MARGIN = 0.0
CONTRAST = "proper accuracy minus training accuracy at the end"


def evaluate(store: Store, sweep: Sweep) -> Claim:
    """One row per model, corruption of some but not all labels, and level that clips two values a tail or more."""
    rows = [
        made
        for context in sweep.contexts()
        for label, chosen in partly_corrupt(context)
        for made in _rows(store, chosen, f"{context.label}, {label}")
    ]
    return Claim(
        name="winsorizing-below-proper",
        short="winsorized training stays at or below proper accuracy",
        statement="With more than one value clipped in each tail, training accuracy does not exceed what a"
        " classifier with every original label would score on the given ones.",
        source="Chatterjee (2020), Coherent Gradients, as reported in secondary notes (levels above 1 at a batch of"
        " 100); the rule itself is in the released code.",
        evidence="C, N",
        unit="share of training labels",
        margin=MARGIN,
        reasoning="Training accuracy must stay below proper accuracy; any excess is memorising.",
        rows=rows_or(rows, CONTRAST, "No winsorized trial with two values a tail has partly corrupted labels."),
    )


def _rows(store: Store, context: Context, where: str) -> list[Row]:
    levels = context.trials.filter((pl.col("aggregator_name") == "winsorized") & (pl.col("tail_count") >= 2))
    evals, made = evaluations(store, levels), []
    for label in levels.sort("aggregator_level")["aggregator_label"].unique(maintain_order=True):
        own = levels.filter(pl.col("aggregator_label") == label)
        proper, ids = proper_accuracy(own), own["trial_id"].to_list()
        if proper is None:
            continue
        below = {seed: proper - value for seed, value in at_end(evals, ids, "train").items()}
        variants = {
            f"last {count} evaluations": {s: proper - v for s, v in at_end(evals, ids, "train", count).items()}
            for count in (1, 5)
        }
        made.append(row(f"{where}, {label}", CONTRAST, below, MARGIN, as_points, variants=variants))
    return made
