"""Twice the sample gives the same coherence, once both are rescaled to one m."""

import numpy as np
import polars as pl

from analysis.contrasts import log_ratios, row, rows_or, within
from analysis.phases import last_step, pooled, size_of, whole_network
from analysis.samples import sample_trials
from analysis.store import Store
from analysis.sweeps import Sweep
from analysis.verdict import Claim, Row

MARGIN = 0.0
FACTOR = 1.25
CONTRAST = "log 1.25 minus distance of the two rescaled values, first epoch"


def evaluate(store: Store, sweep: Sweep) -> Claim:
    """One row per label noise of a training that was measured on two samples that do not overlap."""
    return Claim(
        name="double-sample-same",
        short="twice the sample changes nothing",
        statement="Measured on another sample of twice the size, coherence is the same.",
        source="Chatterjee and Zielinski (2020), appendix, as reported in secondary notes.",
        evidence="N",
        unit="log",
        margin=MARGIN,
        reasoning="Within a factor of 1.25 of each other after rescaling to one m; what is measured is the room left"
        " inside.",
        rows=rows_or(_rows(store, sweep), CONTRAST, "No training was measured on two samples that do not overlap."),
    )


def _rows(store: Store, sweep: Sweep) -> list[Row]:
    found = sample_trials(sweep)
    if found is None:
        return []
    trials, label = found
    made = []
    for noise in trials.sort("noise", "position")["noise_label"].unique(maintain_order=True):
        own = trials.filter(pl.col("noise_label") == noise)
        sides = [
            whole_network(store, own.filter(pl.col("skipped") == skip)) for skip in sorted(own["skipped"].unique())
        ]
        m = min(map(size_of, sides))
        epoch = int(own["train_examples"][0]) // int(own["batch_size"][0])
        end = min(map(last_step, sides))
        spans = {"first epoch": (0, epoch), "whole run": (0, end), "last tenth": (0.9 * end, end)}
        effects = {words: _room(sides, *span, m) for words, span in spans.items()}
        main = effects.pop("first epoch")
        made.append(row(f"{label}, {noise}", CONTRAST, main, MARGIN, within, variants=effects, seeds=own["seed"]))
    return made


def _room(sides: list[pl.DataFrame], start: float, end: float, m: int) -> dict[int, float]:
    first, second = (pooled(rows, start, end, to=m) for rows in (sides[0], sides[-1]))
    return {seed: float(np.log(FACTOR) - abs(value)) for seed, value in log_ratios(first, second).items()}
