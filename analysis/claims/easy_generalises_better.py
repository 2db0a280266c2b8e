"""Easy examples generalise better among themselves than hard ones do."""

from analysis.contrasts import as_points, differences, row, rows_or
from analysis.ends import at_end
from analysis.learning import evaluations
from analysis.sides import sides_of
from analysis.store import Store
from analysis.sweeps import Sweep
from analysis.verdict import Claim

MARGIN = 0.05
CONTRAST = "held-out accuracy, easy after easy minus hard after hard"


def evaluate(store: Store, sweep: Sweep) -> Claim:
    """One row per setting with both sides; sides are of one size and balanced over classes."""
    rows = []
    for label, arms, trials in sides_of(sweep):
        evals, ids = evaluations(store, trials), {style[0]: ids for ids, style in arms.values()}
        test = differences(at_end(evals, ids["hard"], "test"), at_end(evals, ids["easy"], "test"))
        mean = sum(test.values()) / len(test) if test else float("nan")
        rows.append(
            row(
                label,
                CONTRAST,
                differences(at_end(evals, ids["hard"], "hard"), at_end(evals, ids["easy"], "easy")),
                MARGIN,
                as_points,
                beside=[f"On the whole test set, trained on easy minus trained on hard: {100 * mean:+.1f} points."],
                variants={
                    f"last {count} evaluations": differences(
                        at_end(evals, ids["hard"], "hard", count), at_end(evals, ids["easy"], "easy", count)
                    )
                    for count in (1, 5)
                },
            )
        )
    return Claim(
        name="easy-generalises-better",
        short="easy examples generalise better among themselves",
        statement="Networks trained on easy examples generalise better to held-out easy ones than networks trained"
        " on hard examples to held-out hard ones.",
        source="Zielinski, Krishnan and Chatterjee (2020).",
        evidence="S",
        unit="share of held-out examples",
        margin=MARGIN,
        reasoning="More than 5 points of a hundred.",
        rows=rows_or(rows, CONTRAST, "No setting was trained on an easy and on a hard side."),
    )
