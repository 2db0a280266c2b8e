"""Winsorizing keeps noise images from being memorised, as it does wrong labels."""

import polars as pl

from analysis.contrasts import as_points, differences, row, rows_or
from analysis.ends import at_end, ids_of
from analysis.learning import evaluations
from analysis.store import Store
from analysis.sweeps import Context, Sweep
from analysis.verdict import Claim, Row

MARGIN = 0.05
CONTRAST = "training accuracy on noise images at the end, mean minus winsorized"


def evaluate(store: Store, sweep: Sweep) -> Claim:
    """One row per model and level, where every image is noise."""
    rows = [made for context in sweep.contexts() for made in _rows(store, context)]
    return Claim(
        name="noise-pixels-memorised-less",
        short="winsorizing memorises fewer noise images",
        statement="With every image replaced by noise, winsorizing lowers the share of labels that is memorised.",
        source="Chatterjee and Zielinski (2022), section 7 on random labels and random pixels; their figure is not"
        " known here.",
        evidence="N",
        unit="share of training labels",
        margin=MARGIN,
        reasoning="More than 5 points of a hundred.",
        rows=rows_or(rows, CONTRAST, "No model was trained with mean and winsorized on nothing but noise images."),
    )


def _rows(store: Store, context: Context) -> list[Row]:
    trials = context.trials.filter((pl.col("noise_kind") == "gaussian-pixels") & (pl.col("noise") == 1))
    mean, levels = ids_of(trials, "aggregator_name", "mean"), trials.filter(pl.col("aggregator_name") == "winsorized")
    if not mean or levels.is_empty():
        return []
    evals, made = evaluations(store, trials), []
    for label in levels.sort("aggregator_level")["aggregator_label"].unique(maintain_order=True):
        other = ids_of(trials, "aggregator_label", label)

        def effect(count: int, other: list[str] = other) -> dict[int, float]:
            return differences(at_end(evals, other, "train", count), at_end(evals, mean, "train", count))

        variants = {f"last {count} evaluations": effect(count) for count in (1, 5)}
        made.append(row(f"{context.label}, {label}", CONTRAST, effect(3), MARGIN, as_points, variants=variants))
    return made
