"""Once plain averaging has memorised nearly everything, a robust aggregator has memorised less than half."""

from analysis.contrasts import as_points, row, rows_or
from analysis.ends import at_end
from analysis.robust import RULE, pairs
from analysis.store import Store
from analysis.sweeps import Sweep
from analysis.verdict import Claim, unmeasured

MARGIN = 0.0
HALF, NEARLY_ALL = 0.5, 0.9
CONTRAST = "one half minus the share of corrupt labels predicted at the end"


def evaluate(store: Store, sweep: Sweep) -> Claim:
    """One row per robust aggregator of each setting; not measured where plain averaging has memorised less than 0.9 in
    some seed."""
    rows = []
    for where, label, evals, mean, robust in pairs(store, sweep):
        plain, other = at_end(evals, mean, "corrupt"), at_end(evals, robust, "corrupt")
        least = min(plain.values(), default=0.0)
        if least < NEARLY_ALL:
            why = f"Plain averaging itself had memorised only {least:.2f} in one of its seeds: the run is too short."
            rows.append(unmeasured(f"{where}, {label}", CONTRAST, why))
            continue
        shares = [sum(side.values()) / max(len(side), 1) for side in (plain, other)]
        rows.append(
            row(
                f"{where}, {label}",
                CONTRAST,
                {seed: HALF - value for seed, value in other.items()},
                MARGIN,
                as_points,
                beside=[f"Memorised by plain averaging: {shares[0]:.2f}, by {label}: {shares[1]:.2f}."],
                variants={
                    f"less than {bound:g} instead of half": {seed: bound - value for seed, value in other.items()}
                    for bound in (0.25, 0.75)
                },
            )
        )
    return Claim(
        name="prevents-in-the-long-run",
        short="robust aggregation prevents memorising, and does not only delay it",
        statement="Trained until plain averaging has memorised nine of ten corrupt labels, a robust aggregator has"
        " memorised less than half of them.",
        source="Our question to Zielinski, Krishnan and Chatterjee (2020), who state that RM3 and M3 greatly reduce"
        " memorising.",
        evidence="S",
        unit="share of corrupt labels",
        margin=MARGIN,
        reasoning=f"Less than half memorised; {RULE}.",
        rows=rows_or(rows, CONTRAST, "No model was trained with mean and a robust aggregator both."),
    )
