"""Convolutions are more coherent than fully connected layers of the same network."""

import numpy as np
import polars as pl

from analysis.coherence import plain, probes
from analysis.contrasts import as_ratio, row, rows_or
from analysis.layers import is_convolution, is_fully_connected
from analysis.phases import last_step, pooled, transient
from analysis.store import Store
from analysis.sweeps import Context, Sweep
from analysis.verdict import Claim, Row

MARGIN = float(np.log(1.25))
CONTRAST = "mean log m-coherence over layers in the first epoch, convolutions minus fully connected"


def evaluate(store: Store, sweep: Sweep) -> Claim:
    """One row per model with both kinds of layers, and label noise."""
    rows = [made for context in map(plain, sweep.contexts()) for made in _rows(store, context)]
    return Claim(
        name="convolutions-above-fully-connected",
        short="convolutions more coherent than fully connected layers",
        statement="Convolutions, whose weights are shared by many positions, are more coherent than fully connected"
        " layers.",
        source="Chatterjee and Zielinski (2020), as reported in secondary notes.",
        evidence="N",
        unit="log ratio",
        margin=MARGIN,
        reasoning="More than a quarter above, geometric means over the layers of either kind.",
        rows=rows_or(
            rows, CONTRAST, "No model with convolutions and fully connected layers was probed layer by layer."
        ),
    )


def _rows(store: Store, context: Context) -> list[Row]:
    made = []
    for (label,), trials in context.arms("noise_label"):
        rows = probes(store, trials).filter(pl.col("q") > 0)
        names = rows["layer"].unique().to_list()
        kinds = [sorted(filter(is_kind, names)) for is_kind in (is_convolution, is_fully_connected)]
        if not all(kinds):
            continue
        start, epoch, end = transient(context), context.steps_per_epoch, last_step(rows)
        spans = {"first epoch": (start, epoch), "step 0": (0, 0), "after the first epoch": (epoch, end)}
        effects = {words: _effect(rows, kinds, *span) for words, span in spans.items()}
        main = effects.pop("first epoch")
        made.append(
            row(f"{context.label}, {label}", CONTRAST, main, MARGIN, as_ratio, variants=effects, seeds=trials["seed"])
        )
    return made


def _effect(rows: pl.DataFrame, kinds: list[list[str]], start: float, end: float) -> dict[int, float]:
    values = [[pooled(rows.filter(pl.col("layer") == layer), start, end) for layer in layers] for layers in kinds]
    seeds = set.intersection(*(set(of_layer) for of_kind in values for of_layer in of_kind))
    effects = {}
    for seed in sorted(seeds):
        means = [[of_layer[seed] for of_layer in of_kind] for of_kind in values]
        if min(min(of_kind) for of_kind in means) > 0:
            conv, full = (float(np.mean(np.log(of_kind))) for of_kind in means)
            effects[seed] = conv - full
    return effects
