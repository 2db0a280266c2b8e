"""Before the first step, gradients are about as coherent as orthogonal ones."""

from analysis.coherence import plain
from analysis.contrasts import geometric_mean, row, rows_or, within, within_factor
from analysis.phases import PUBLISHED_M, at_first, pooled, size_of, whole_network
from analysis.store import Store
from analysis.sweeps import Context, Sweep
from analysis.verdict import Claim, Row

MARGIN = 0.0
FACTOR = 2.0
CONTRAST = "log 2 minus distance of log m-coherence from log 1, at step 0"


def evaluate(store: Store, sweep: Sweep) -> Claim:
    """One row per model and label noise."""
    rows = [made for context in map(plain, sweep.contexts()) for made in _rows(store, context)]
    return Claim(
        name="orthogonal-at-start",
        short="coherence starts near the orthogonal limit",
        statement="m-coherence starts near 1, the value of pairwise orthogonal gradients.",
        source="Chatterjee and Zielinski (2022): about 1 at the start, ResNet-50 on ImageNet, m = 50,000.",
        evidence="S",
        unit="log",
        margin=MARGIN,
        reasoning="Within a factor of 2 of 1; what is measured is the room left inside that factor, negative outside.",
        rows=rows_or(rows, CONTRAST, "No completed trial with the mean aggregator has a probe at step 0."),
    )


def _rows(store: Store, context: Context) -> list[Row]:
    made = []
    for (label,), trials in context.arms("noise_label"):
        rows = whole_network(store, trials)
        first = at_first(rows)
        if not first:
            continue
        variants = {
            "steps 0 to 5": within_factor(pooled(rows, 0, 5), 1.0, FACTOR),
            f"rescaled to the published m = {PUBLISHED_M:,}": within_factor(
                pooled(rows, 0, 0, to=PUBLISHED_M), 1.0, FACTOR
            ),
        }
        beside = [f"m-coherence {geometric_mean(first)} at step 0 (m = {size_of(rows):,})."]
        where = f"{context.label}, {label}"
        made.append(
            row(
                where,
                CONTRAST,
                within_factor(first, 1.0, FACTOR),
                MARGIN,
                within,
                beside=beside,
                variants=variants,
                seeds=trials["seed"],
            )
        )
    return made
