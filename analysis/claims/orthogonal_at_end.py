"""Once the training set is fitted, gradients are about as coherent as orthogonal ones."""

from analysis.coherence import plain
from analysis.contrasts import geometric_mean, row, rows_or, within, within_factor
from analysis.phases import (
    AVERAGED,
    PUBLISHED_M,
    at_last,
    averaged,
    fitted_seeds,
    last_start,
    last_step,
    only,
    pooled,
    size_of,
    whole_network,
)
from analysis.store import Store
from analysis.sweeps import Context, Sweep
from analysis.verdict import Claim, Row, unmeasured

MARGIN = 0.0
FACTOR = 2.0
CONTRAST = "log 2 minus distance of log m-coherence from log 1, last window"


def evaluate(store: Store, sweep: Sweep) -> Claim:
    """One row per model and label noise; seeds that did not fit 0.99 of their labels are left out."""
    rows = [made for context in map(plain, sweep.contexts()) for made in _rows(store, context)]
    return Claim(
        name="orthogonal-at-end",
        short="coherence ends near the orthogonal limit",
        statement="Once everything is fitted, m-coherence is back near 1, the value of pairwise orthogonal gradients.",
        source="Chatterjee and Zielinski (2022): back to about 1 at the end, ResNet-50 on ImageNet, m = 50,000.",
        evidence="S",
        unit="log",
        margin=MARGIN,
        reasoning="Within a factor of 2 of 1; what is measured is the room left inside that factor, negative outside.",
        rows=rows_or(rows, CONTRAST, "No completed trial with the mean aggregator has a probe of the whole network."),
    )


def _rows(store: Store, context: Context) -> list[Row]:
    made = []
    for (label,), trials in context.arms("noise_label"):
        rows, where = whole_network(store, trials), f"{context.label}, {label}"
        fitted = fitted_seeds(trials)
        if rows.is_empty():
            continue
        if not fitted:
            made.append(unmeasured(where, CONTRAST, "No seed fitted 0.99 of its labels: this is not the end yet."))
            continue
        last, end = only(at_last(rows), fitted), last_step(rows)
        tenth = only(pooled(rows, 0.9 * end, end), fitted)
        beside = [f"m-coherence {geometric_mean(last)} in the last window (m = {size_of(rows):,})."]
        variants = {
            "last tenth of the run": within_factor(tenth, 1.0, FACTOR),
            f"rescaled to the published m = {PUBLISHED_M:,}": within_factor(
                only(pooled(rows, last_start(rows), end, to=PUBLISHED_M), fitted), 1.0, FACTOR
            ),
        }
        if ema := only(at_last(averaged(store, trials)), fitted):
            variants[AVERAGED] = within_factor(ema, 1.0, FACTOR)
        made.append(
            row(
                where,
                CONTRAST,
                within_factor(last, 1.0, FACTOR),
                MARGIN,
                within,
                beside=beside,
                variants=variants,
                seeds=trials["seed"],
                lost="since they did not fit 0.99 of their labels",
            )
        )
    return made
