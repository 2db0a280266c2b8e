"""Robust aggregation of gradients memorises fewer corrupt labels than plain averaging."""

import polars as pl

from analysis.contrasts import differences, row
from analysis.ends import at_best, at_end
from analysis.learning import LAST, evaluations, partly_corrupt
from analysis.stats import interval
from analysis.store import Store
from analysis.sweeps import Context, Sweep
from analysis.verdict import Claim, Row, unmeasured

MARGIN = 0.05
# Five points of a hundred: seeds of the share memorised scatter by one to four points, and a reader of an accuracy
# curve would not call less than that a difference.

ROBUST = ("winsorized", "median-of-3")
REFERENCE = "mean"


def evaluate(store: Store, sweep: Sweep) -> Claim:
    """One row per model, corruption of some but not all labels, and robust aggregator."""
    rows = [
        made
        for context in sweep.contexts()
        for label, chosen in partly_corrupt(context)
        for made in _rows(store, chosen, f"{context.label}, {label}")
    ]
    missing = unmeasured("all", "mean minus robust", "No model was trained with mean and a robust aggregator both.")
    return Claim(
        name="robust-memorises-less",
        short="robust aggregation memorises fewer corrupt labels",
        statement="Suppressing directions that few examples support (winsorizing each coordinate, or taking the median"
        " of three gradients) lowers the share of corrupt labels that is memorised.",
        source="Chatterjee (2020), Coherent Gradients (winsorized SGD); Zielinski, Krishnan and Chatterjee (2020), Weak"
        " and Strong Gradient Directions (median of three).",
        evidence="S, C",
        unit="share of corrupt labels",
        margin=MARGIN,
        reasoning="The share memorised must fall by more than 5 points of a hundred.",
        rows=tuple(rows) or (missing,),
    )


def _rows(store: Store, context: Context, where: str) -> list[Row]:
    trials = context.trials
    robust = trials.filter(pl.col("aggregator_name").is_in(ROBUST))["aggregator_label"].unique(maintain_order=True)
    mean = trials.filter(pl.col("aggregator_name") == REFERENCE)
    if mean.is_empty() and robust.len():
        return [unmeasured(where, f"{REFERENCE} minus {label}", "No completed trial with mean.") for label in robust]
    evals = evaluations(store, trials)
    return [_row(evals, mean, trials.filter(pl.col("aggregator_label") == label), label, where) for label in robust]


def _row(evals: pl.DataFrame, mean: pl.DataFrame, other: pl.DataFrame, label: str, where: str) -> Row:
    ids = [side["trial_id"].to_list() for side in (mean, other)]

    def effect(count: int) -> dict[int, float]:
        return differences(at_end(evals, ids[1], "corrupt", count), at_end(evals, ids[0], "corrupt", count))

    return row(
        where,
        f"{REFERENCE} minus {label}",
        effect(LAST),
        MARGIN,
        _lower,
        beside=_beside(evals, *ids),
        variants={f"last {count} evaluations": effect(count) for count in (1, 5)},
    )


def _lower(effect: float, low: float, high: float) -> str:
    return f"share lower by {100 * effect:.1f} points [{100 * low:.1f}, {100 * high:.1f}]"


def _beside(evals: pl.DataFrame, mean: list[str], other: list[str]) -> list[str]:
    """Test accuracy, at the end and against the best evaluation of plain averaging (stopping it early)."""
    after = at_end(evals, other, "test")
    texts = []
    for words, before in (
        ("at the end", at_end(evals, mean, "test")),
        ("against the best evaluation of mean, chosen in hindsight", at_best(evals, mean, "test")),
    ):
        pairs = list(differences(before, after).values())
        if pairs:
            center, low, high = (100 * value for value in interval(pl.Series(pairs).to_numpy()))
            spread = f" [{low:+.1f}, {high:+.1f}]" if len(pairs) > 1 else ""
            texts.append(f"Test accuracy {words}: {center:+.1f} points{spread} (n = {len(pairs)}).")
    return texts
