"""At the very first step all gradients are nearly alike: m-coherence is near m."""

from analysis.coherence import plain
from analysis.contrasts import as_ratio, geometric_mean, log_above, row, rows_or
from analysis.phases import at_first, pooled, size_of, whole_network
from analysis.store import Store
from analysis.sweeps import Context, Sweep
from analysis.verdict import Claim, Row

MARGIN = 0.0
SHARE = 0.25
CONTRAST = "log m-coherence at step 0 minus log of a quarter of m"


def evaluate(store: Store, sweep: Sweep) -> Claim:
    """One row per model, data set and label noise."""
    rows = [made for context in map(plain, sweep.contexts()) for made in _rows(store, context)]
    return Claim(
        name="near-m-at-first",
        short="coherence starts near m for a moment",
        statement="At the first step m-coherence is near m (all gradients alike), for real and random labels, and"
        " falls to a few within some tens of steps.",
        source="Chatterjee and Zielinski (2020), as reported in secondary notes: from nearly 40,356 to below 10 in"
        " about 25 steps.",
        evidence="N",
        unit="log ratio",
        margin=MARGIN,
        reasoning="More than a quarter of m at step 0.",
        rows=rows_or(rows, CONTRAST, "No completed trial with the mean aggregator has a probe at step 0."),
    )


def _rows(store: Store, context: Context) -> list[Row]:
    made = []
    for (label,), trials in context.arms("noise_label"):
        rows = whole_network(store, trials)
        first = at_first(rows)
        if not first:
            continue
        m = size_of(rows)
        beside = [f"m-coherence {geometric_mean(first)} of m = {m:,} at step 0."]
        variants = {
            "steps 0 to 2": log_above(pooled(rows, 0, 2), SHARE * m),
            "unbiased alpha instead of m-coherence / m": log_above(pooled(rows, 0, 0, of="alpha_unbiased"), SHARE),
        }
        where = f"{context.label}, {label}"
        made.append(
            row(
                where,
                CONTRAST,
                log_above(first, SHARE * m),
                MARGIN,
                as_ratio,
                beside=beside,
                variants=variants,
                seeds=trials["seed"],
            )
        )
    return made
