"""Coherence rises from its start to a peak and comes down again."""

import numpy as np

from analysis.coherence import plain
from analysis.contrasts import as_ratio, geometric_mean, row, rows_or
from analysis.phases import at_first, at_last, peak, transient, whole_network
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
        reasoning="The highest window after the transient must exceed both the probe at step 0 and the last window"
        " twofold.",
        rows=rows_or(rows, CONTRAST, "No completed trial with the mean aggregator has a probe of the whole network."),
    )


def _rows(store: Store, context: Context) -> list[Row]:
    made = []
    for (label,), trials in context.arms("noise_label"):
        rows = whole_network(store, trials)
        if rows.is_empty():
            continue
        first, last = at_first(rows), at_last(rows)

        def effect(
            start: int, first: dict[int, float] = first, last: dict[int, float] = last, rows: object = rows
        ) -> dict[int, float]:
            tops = peak(rows, start)  # type: ignore[arg-type]
            return {
                s: float(np.log(tops[s] / max(first[s], last[s])))
                for s in sorted(tops.keys() & first.keys() & last.keys())
                if min(tops[s], max(first[s], last[s])) > 0
            }

        start = transient(context)
        beside = [
            f"m-coherence (m = {rows['n'][0]:,}) {geometric_mean(first)} at step 0,"
            f" {geometric_mean(peak(rows, start))} at its highest window, {geometric_mean(last)} in the last."
        ]
        variants = {f"peaks from step {other} on": effect(other) for other in (0, context.steps_per_epoch)}
        made.append(
            row(
                f"{context.label}, {label}", CONTRAST, effect(start), MARGIN, as_ratio, beside=beside, variants=variants
            )
        )
    return made
