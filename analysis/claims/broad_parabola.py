"""Coherence rises from its start to a peak and comes down again."""

import numpy as np
import polars as pl

from analysis.coherence import plain
from analysis.contrasts import as_ratio, geometric_mean, log_ratios, row, rows_or
from analysis.phases import (
    AVERAGED,
    at_first,
    at_last,
    averaged,
    fitted_seeds,
    peak,
    size_of,
    transient,
    whole_network,
)
from analysis.store import Store
from analysis.sweeps import Context, Sweep
from analysis.verdict import Claim, Row

MARGIN = float(np.log(2))
CONTRAST = "log m-coherence, peak minus the larger of start and end"


def evaluate(store: Store, sweep: Sweep) -> Claim:
    """One row per model and label noise."""
    rows = [made for context in map(plain, sweep.contexts()) for made in _rows(store, context)]
    return Claim(
        name="broad-parabola",
        short="coherence rises to a peak and falls",
        statement="m-coherence follows a broad parabola: from its start up to a peak, and down again by the end.",
        source="Chatterjee and Zielinski (2022): near 1, about 40 within the first epochs, back to near 1 for"
        " ResNet-50 on ImageNet with real labels, the same shape with random ones.",
        evidence="S",
        unit="log ratio",
        margin=MARGIN,
        reasoning="The highest window after the transient and before the last must exceed both the probe at step 0 and"
        " the last window twofold. Where labels are not fitted yet, the end is not the end, and a curve that still"
        " rises does not contradict.",
        rows=rows_or(rows, CONTRAST, "No completed trial with the mean aggregator has a probe of the whole network."),
    )


def _rows(store: Store, context: Context) -> list[Row]:
    made = []
    for (label,), trials in context.arms("noise_label"):
        rows = whole_network(store, trials)
        if rows.is_empty():
            continue
        first, last, ema = at_first(rows), at_last(rows), averaged(store, trials)
        start = transient(context)
        values = [geometric_mean(each) for each in (first, peak(rows, start, before_last=True), last)]
        beside = [
            f"m-coherence (m = {size_of(rows):,}) {values[0]} at step 0, {values[1]} at its highest window before the"
            f" last, {values[2]} in the last."
        ]
        unfitted = sorted(set(trials["seed"]) - fitted_seeds(trials))
        if unfitted:
            beside.append(
                f"Not fitted by the end in {len(unfitted)} of {trials.height} seeds: the fall may be to come."
            )
        variants = {f"peaks from step {n} on": _effect(rows, n) for n in (0, 50, context.steps_per_epoch)}
        if not ema.is_empty():
            variants[AVERAGED] = _effect(ema, start)
        made.append(
            row(
                f"{context.label}, {label}",
                CONTRAST,
                _effect(rows, start),
                MARGIN,
                as_ratio,
                beside=beside,
                variants=variants,
                lower_bound=bool(unfitted),
                seeds=trials["seed"],
            )
        )
    return made


def _effect(rows: pl.DataFrame, start: int) -> dict[int, float]:
    """Seed -> log of the highest window before the last over the larger of step 0 and the last window."""
    first, last, tops = at_first(rows), at_last(rows), peak(rows, start, before_last=True)
    ends = {seed: max(first[seed], last[seed]) for seed in first.keys() & last.keys()}
    return log_ratios(ends, tops)
