"""Random labels become coherent while they are memorised."""

import numpy as np
import polars as pl

from analysis.coherence import plain
from analysis.contrasts import as_ratio, geometric_mean, log_ratios, row, rows_or
from analysis.phases import AVERAGED, averaged, last_step, peak, pooled, transient, whole_network
from analysis.store import Store
from analysis.sweeps import Context, Sweep
from analysis.verdict import Claim, Row, unmeasured

MARGIN = float(np.log(2))
MEMORISED = 0.5
CONTRAST = "log m-coherence, highest window after the first epoch minus first epoch"
RANDOM_LABELS = ("permuted-labels", "uniform-labels")


def evaluate(store: Store, sweep: Sweep) -> Claim:
    """One row per model with all labels random that memorises half of them or more in every seed."""
    rows = [made for context in map(plain, sweep.contexts()) for made in _rows(store, context)]
    return Claim(
        name="random-rises-while-memorised",
        short="random labels grow coherent while they are memorised",
        statement="With random labels m-coherence starts near 1 and rises while the labels are memorised, as with"
        " real ones but later.",
        source="Chatterjee and Zielinski (2022): the same shape with random labels; their 2020 abstract: it reaches the"
        " 100s.",
        evidence="S",
        unit="log ratio",
        margin=MARGIN,
        reasoning="The highest later window must be more than twice the first epoch.",
        rows=rows_or(rows, CONTRAST, "The sweep has no trial with every label random."),
    )


def _rows(store: Store, context: Context) -> list[Row]:
    made = []
    chosen = context.trials.filter((pl.col("noise") == 1) & pl.col("noise_kind").is_in(RANDOM_LABELS))
    for (label,), trials in Context(context.key, context.label, chosen).arms("noise_label"):
        rows, where = whole_network(store, trials), f"{context.label}, {label}"
        share = trials["final_train_accuracy"].min()
        if rows.is_empty():
            continue
        if not isinstance(share, float) or share < MEMORISED:
            made.append(unmeasured(where, CONTRAST, "Not half of the labels were memorised by the end in every seed."))
            continue
        epoch = context.steps_per_epoch
        early, top = pooled(rows, transient(context), epoch), peak(rows, epoch)
        beside = [
            f"m-coherence {geometric_mean(early)} in the first epoch, {geometric_mean(top)} in the highest window."
        ]
        variants = {
            "against step 0": log_ratios(pooled(rows, 0, 0), top),
            "after the first epoch, pooled": log_ratios(early, pooled(rows, epoch, last_step(rows))),
        }
        if not (ema := averaged(store, trials)).is_empty():
            variants[AVERAGED] = log_ratios(pooled(ema, transient(context), epoch), peak(ema, epoch))
        made.append(
            row(
                where,
                CONTRAST,
                log_ratios(early, top),
                MARGIN,
                as_ratio,
                beside=beside,
                variants=variants,
                seeds=trials["seed"],
            )
        )
    return made
