"""With random labels, m-coherence stays below 5."""

import polars as pl

from analysis.coherence import plain
from analysis.contrasts import as_ratio, geometric_mean, log_below, row, rows_or
from analysis.phases import AVERAGED, PUBLISHED_M, averaged, last_step, peak, pooled, whole_network
from analysis.store import Store
from analysis.sweeps import Context, Sweep
from analysis.verdict import Claim, Row

MARGIN = 0.0
BOUND = 5.0
CONTRAST = "log 5 minus log m-coherence, from the end of the first epoch on"
RANDOM_LABELS = ("permuted-labels", "uniform-labels")


def evaluate(store: Store, sweep: Sweep) -> Claim:
    """One row per model with all labels random."""
    rows = [made for context in map(plain, sweep.contexts()) for made in _rows(store, context)]
    return Claim(
        name="random-below-five",
        short="random labels stay below 5",
        statement="With random labels, m-coherence is usually below 5: a step along one example's gradient helps one"
        " or two others.",
        source="Chatterjee and Zielinski (2022), ResNet-50 on ImageNet, m = 50,000. The abstract of their 2020 paper"
        " has random labels reach the 100s instead.",
        evidence="S",
        unit="log ratio",
        margin=MARGIN,
        reasoning="Below 5, pooled over all probes after the first epoch; the highest window is shown beside.",
        rows=rows_or(rows, CONTRAST, "The sweep has no trial with every label random."),
    )


def _rows(store: Store, context: Context) -> list[Row]:
    made = []
    chosen = context.trials.filter((pl.col("noise") == 1) & pl.col("noise_kind").is_in(RANDOM_LABELS))
    for (label,), trials in Context(context.key, context.label, chosen).arms("noise_label"):
        rows = whole_network(store, trials)
        if rows.is_empty():
            continue
        epoch, end = context.steps_per_epoch, last_step(rows)
        middle, top = pooled(rows, epoch, end), peak(rows, epoch)
        first_half = pooled(rows, epoch, (epoch + end) / 2)
        beside = [f"m-coherence {geometric_mean(middle)} pooled, {geometric_mean(top)} in the highest window."]
        variants = {
            "highest window": log_below(top, BOUND),
            "first half of the run": log_below(first_half, BOUND),
            f"rescaled to the published m = {PUBLISHED_M:,}": log_below(
                pooled(rows, epoch, end, to=PUBLISHED_M), BOUND
            ),
        }
        if not (ema := averaged(store, trials)).is_empty():
            variants[AVERAGED] = log_below(pooled(ema, epoch, end), BOUND)
        where = f"{context.label}, {label}"
        made.append(
            row(
                where,
                CONTRAST,
                log_below(middle, BOUND),
                MARGIN,
                as_ratio,
                beside=beside,
                variants=variants,
                seeds=trials["seed"],
            )
        )
    return made
