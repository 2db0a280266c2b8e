"""Original labels are more coherent than random ones within the first epoch."""

import numpy as np
import polars as pl

from analysis.coherence import plain, probes, sample_sizes
from analysis.contrasts import as_ratio, geometric_mean, log_ratios, row
from analysis.phases import AVERAGED, pooled
from analysis.store import Store
from analysis.sweeps import Context, Sweep
from analysis.verdict import Claim, Row, unmeasured

MARGIN = float(np.log(2))
# An orthogonal sample shows 1 whatever it is, so a ratio of 2 is the smallest at which a step helps at least one
# example beyond the example itself. Seeds of a first-epoch window scatter by 3 to 15 %: far inside the margin.

TRANSIENT = 20
# With near-uniform outputs all gradients may share the output layer's direction for the first steps. Those are left
# out by count, before the data; in epochs under 100 steps the first fifth is left out instead.

RANDOM_LABELS = ("permuted-labels", "uniform-labels")
# The statement is about labels: corrupted pixels are another question.

SMALLER = 1000
"""A sample in which a coherence that is one in thousands hardly shows: the ratio must not rest on a large m alone."""

CONTRAST = "log m-coherence, original labels minus all labels random"


def evaluate(store: Store, sweep: Sweep) -> Claim:
    """One row per model and kind of randomisation."""
    rows = [made for context in map(plain, sweep.contexts()) for made in _rows(store, context)]
    return Claim(
        name="real-above-random-early",
        short="original labels more coherent than random ones in the first epoch",
        statement="In the first epoch, gradients of examples with their original labels are more coherent than"
        " gradients of examples with random labels.",
        source="Chatterjee and Zielinski (2022), On the Generalization Mystery in Deep Learning, section on measuring"
        " coherence; ResNet-50 on ImageNet: maximum near 40 with real labels within the first epochs, usually"
        " below 5 with random ones.",
        evidence="S",
        unit="log ratio",
        margin=MARGIN,
        reasoning="The ratio must exceed 2.",
        rows=tuple(rows) or (unmeasured("all", CONTRAST, "The sweep has no trial with every label selected."),),
    )


def _rows(store: Store, context: Context) -> list[Row]:
    arms = {label: trials for (label,), trials in context.arms("noise_label")}
    real = [trials for trials in arms.values() if trials["noise"][0] == 0]
    rows = []
    for label, trials in arms.items():
        if trials["noise"][0] == 1 and trials["noise_kind"][0] in RANDOM_LABELS:
            where = f"{context.label}, {label}"
            if real:
                rows.append(_row(store, context, where, real[0], trials))
            else:
                rows.append(unmeasured(where, CONTRAST, "No completed trial with original labels."))
    return rows


def _row(store: Store, context: Context, where: str, real: pl.DataFrame, random: pl.DataFrame) -> Row:
    epoch = context.steps_per_epoch
    start = min(TRANSIENT, epoch // 5)
    both = [_whole(store, trials) for trials in (real, random)]
    if any(rows.filter(pl.col("step").is_between(start, epoch)).is_empty() for rows in both):
        return unmeasured(where, CONTRAST, f"No probe between steps {start} and {epoch} in one of the two arms.")
    if len({size for rows in both for size in sample_sizes(rows)}) > 1:
        return unmeasured(where, CONTRAST, "The probes differ in size; m-coherence at different m does not compare.")
    real_level, random_level = _levels(both, start, epoch)
    levels = f"{geometric_mean(real_level)} with original labels, {geometric_mean(random_level)} with random ones"
    return row(
        where,
        CONTRAST,
        log_ratios(random_level, real_level),
        MARGIN,
        as_ratio,
        beside=[f"Window: steps {start} to {epoch}; m-coherence {levels}."],
        variants=_variants(store, real, random, both, (start, epoch)),
        seeds=set(real["seed"]) & set(random["seed"]),
    )


def _variants(
    store: Store, real: pl.DataFrame, random: pl.DataFrame, both: list[pl.DataFrame], window: tuple[int, int]
) -> dict[str, dict[int, float]]:
    start, epoch = window
    starts = (0, 50) if epoch >= 100 else (0,)
    made = {f"steps {other} to {epoch}": log_ratios(*_levels(both, other, epoch)[::-1]) for other in starts}
    made[f"rescaled to m = {SMALLER}"] = log_ratios(*_levels(both, start, epoch, SMALLER)[::-1])
    ema = [_whole(store, trials, "probe-ema") for trials in (real, random)]
    if not any(rows.is_empty() for rows in ema):
        made[AVERAGED] = log_ratios(*_levels(ema, start, epoch)[::-1])
    return made


def _whole(store: Store, trials: pl.DataFrame, source: str = "probe") -> pl.DataFrame:
    return probes(store, trials, source).filter(pl.col("layer") == "*")


def _levels(both: list[pl.DataFrame], start: int, end: int, to: int | None = None) -> list[dict[int, float]]:
    """Seed -> m-coherence from step `start` to `end` of either side, over the steps that both probed."""
    keys = ["seed", "step"]
    return [
        pooled(own.join(other.select(keys), on=keys, how="semi"), start, end, to=to)
        for own, other in (both, both[::-1])
    ]
