"""The largest winsorizing level fits fewer pristine labels than plain averaging."""

import polars as pl

from analysis.contrasts import as_points, differences, row, rows_or
from analysis.ends import at_end, ids_of
from analysis.learning import evaluations
from analysis.store import Store
from analysis.sweeps import Context, Sweep
from analysis.verdict import Claim, Row

MARGIN = 0.05
CONTRAST = "pristine accuracy at the end, mean minus largest level"


def evaluate(store: Store, sweep: Sweep) -> Claim:
    """One row per model and label noise with pristine examples; the largest level that was trained."""
    rows = [made for context in sweep.contexts() for made in _rows(store, context)]
    return Claim(
        name="large-levels-cost-fit",
        short="large winsorizing levels cost fit",
        statement="Large winsorizing levels hurt the fit of examples with their original labels.",
        source="Chatterjee (2020), Coherent Gradients, as reported in secondary notes; the rule is in the released"
        " code.",
        evidence="C, N",
        unit="share of pristine labels",
        margin=MARGIN,
        reasoning="More than 5 points of a hundred.",
        rows=rows_or(rows, CONTRAST, "No model was trained with mean and a winsorized aggregator both."),
    )


def _rows(store: Store, context: Context) -> list[Row]:
    made = []
    chosen = context.trials.filter((pl.col("noise") < 1) & ~pl.col("noise_kind").str.ends_with("-pixels"))
    for (label,), trials in Context(context.key, context.label, chosen).arms("noise_label"):
        levels = trials.filter(pl.col("aggregator_name") == "winsorized").sort("aggregator_level")
        if levels.is_empty() or not (trials["aggregator_name"] == "mean").any():
            continue
        largest = levels["aggregator_label"][-1]
        evals = evaluations(store, trials)
        sides = [ids_of(trials, "aggregator_name", "mean"), ids_of(trials, "aggregator_label", largest)]

        def effect(count: int, sides: list[list[str]] = sides, evals: pl.DataFrame = evals) -> dict[int, float]:
            return differences(at_end(evals, sides[1], "pristine", count), at_end(evals, sides[0], "pristine", count))

        variants = {f"last {count} evaluations": effect(count) for count in (1, 5)}
        made.append(
            row(f"{context.label}, {label}, {largest}", CONTRAST, effect(3), MARGIN, as_points, variants=variants)
        )
    return made
