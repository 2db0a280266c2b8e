"""Under label noise, stopping when original labels are fitted gives better test accuracy than training on."""

from analysis.coherence import plain
from analysis.contrasts import as_points, differences, row, rows_or
from analysis.ends import at_best, at_end, when_reached
from analysis.learning import evaluations, partly_corrupt, proper_accuracy
from analysis.store import Store
from analysis.sweeps import Context, Sweep
from analysis.verdict import Claim, Row, unmeasured

MARGIN = 0.02
# Seeds of test accuracy scatter by one to three points.

SHARE = 0.9
# Stop at the first evaluation that fits this share of what original labels allow (proper accuracy): a rule that was
# fixed before the data and looks at training labels only. The best evaluation in hindsight could never lose.

CONTRAST = "test accuracy when stopped early minus at the end"


def evaluate(store: Store, sweep: Sweep) -> Claim:
    """One row per model and corruption of some but not all labels."""
    rows = [
        _row(store, chosen, f"{context.label}, {label}")
        for context in map(plain, sweep.contexts())
        for label, chosen in partly_corrupt(context)
    ]
    return Claim(
        name="test-peaks-early",
        short="test accuracy peaks early under label noise",
        statement="With partly random labels, test accuracy is higher when training stops early than at its end.",
        source="Chatterjee and Zielinski (2022) discuss early stopping; the early peak of Chatterjee (2020) is known"
        " here from secondary notes.",
        evidence="N",
        unit="share of test examples",
        margin=MARGIN,
        reasoning="More than 2 points of a hundred.",
        rows=rows_or(rows, CONTRAST, "The sweep has no trial with partly corrupted labels."),
    )


def _row(store: Store, context: Context, where: str) -> Row:
    ids, evals = context.trials["trial_id"].to_list(), evaluations(store, context.trials)
    proper, end = proper_accuracy(context.trials), at_end(evals, context.trials["trial_id"].to_list(), "test")
    if proper is None:
        return unmeasured(where, CONTRAST, "How many labels are corrupt is not known.")
    stopped = when_reached(evals, ids, "train", SHARE * proper, "test")
    variants = {
        f"stopped at {100 * share:g} % of proper accuracy": differences(
            end, when_reached(evals, ids, "train", share * proper, "test")
        )
        for share in (0.8, 0.95)
    }
    variants["best evaluation in hindsight"] = differences(end, at_best(evals, ids, "test"))
    return row(
        where,
        CONTRAST,
        differences(end, stopped),
        MARGIN,
        as_points,
        variants=variants,
        seeds=end,
        lost=f"since they never predicted {SHARE} of proper accuracy",
    )
