"""Once everything is fitted, gradients of the first convolution oppose each other: m-coherence below 1."""

import polars as pl

from analysis.coherence import plain, probes
from analysis.contrasts import as_ratio, geometric_mean, log_below, row, rows_or
from analysis.layers import first_middle_last, is_convolution
from analysis.phases import at_last, fitted_seeds, last_step, only, pooled
from analysis.store import Store
from analysis.sweeps import Context, Sweep
from analysis.verdict import Claim, Row, unmeasured

MARGIN = 0.0
CONTRAST = "minus log m-coherence of the first convolution, last window"


def evaluate(store: Store, sweep: Sweep) -> Claim:
    """One row per convolutional model and label noise; seeds that did not fit 0.99 of their labels are left out."""
    rows = [made for context in map(plain, sweep.contexts()) for made in _rows(store, context)]
    return Claim(
        name="first-layer-below-one",
        short="the first convolution ends below 1",
        statement="After the training set is fitted, m-coherence of the first convolution falls below 1.",
        source="Chatterjee and Zielinski (2020), as reported in secondary notes.",
        evidence="N",
        unit="log",
        margin=MARGIN,
        reasoning="Below 1, the value of orthogonal gradients.",
        rows=rows_or(rows, CONTRAST, "No convolutional model was probed layer by layer."),
    )


def _rows(store: Store, context: Context) -> list[Row]:
    made = []
    for (label,), trials in context.arms("noise_label"):
        rows, where = probes(store, trials).filter(pl.col("q") > 0), f"{context.label}, {label}"
        first = [layer for place, layer in first_middle_last(rows) if place == "first"]
        if not first or not is_convolution(first[0]):
            continue
        own, fitted = rows.filter(pl.col("layer") == first[0]), fitted_seeds(trials)
        if not fitted:
            made.append(unmeasured(where, CONTRAST, "No seed fitted 0.99 of its labels."))
            continue
        last, end = only(at_last(own), fitted), last_step(own)
        tenth = only(pooled(own, 0.9 * end, end), fitted)
        beside = [f"m-coherence of {first[0]}: {geometric_mean(last)} in the last window."]
        variants = {"last tenth of the run": log_below(tenth, 1.0)}
        made.append(
            row(
                where,
                CONTRAST,
                log_below(last, 1.0),
                MARGIN,
                as_ratio,
                beside=beside,
                variants=variants,
                seeds=trials["seed"],
                lost="since they did not fit 0.99 of their labels",
            )
        )
    return made
