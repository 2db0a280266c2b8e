"""Original labels are more coherent than random ones within the first epoch."""

from dataclasses import replace

import numpy as np
import polars as pl

from analysis.coherence import plain, probes
from analysis.query import ratio_of_sums
from analysis.store import Store
from analysis.sweeps import Context, Sweep
from analysis.theme import number
from analysis.verdict import Claim, Row, judge, unmeasured

MARGIN = float(np.log(2))
# An orthogonal sample shows 1 whatever it is, so a ratio of 2 is the smallest at which a step helps at least one
# example beyond the example itself. Seeds of a first-epoch window scatter by 3 to 15 %: far inside the margin.

TRANSIENT = 20
# With near-uniform outputs all gradients may share the output layer's direction for the first steps. Those are left
# out by count, before the data; in epochs under 100 steps the first fifth is left out instead.

RANDOM_LABELS = ("permuted-labels", "uniform-labels")
# The statement is about labels: corrupted pixels are another question.

CONTRAST = "log m-coherence, original labels minus all labels random"


def evaluate(store: Store, sweep: Sweep) -> Claim:
    """One row per model and kind of randomisation."""
    rows = [row for context in map(plain, sweep.contexts()) for row in _rows(store, context)]
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
    window = (pl.col("layer") == "*") & pl.col("step").is_between(start, epoch)
    both = [probes(store, trials).filter(window) for trials in (real, random)]
    if both[0].is_empty() or both[1].is_empty():
        return unmeasured(where, CONTRAST, f"No probe between steps {start} and {epoch} in one of the two arms.")
    if len({n for rows in both for n in rows["n"].unique()}) > 1:
        return unmeasured(where, CONTRAST, "The probes differ in size; m-coherence at different m does not compare.")
    effects, levels = _per_seed(*both)
    row = judge(where, CONTRAST, effects, MARGIN, beside=[f"Window: steps {start} to {epoch}; {levels}."])
    if row.effect is None or row.low is None or row.high is None:
        return row
    ratio, low, high = (number(float(np.exp(value))) for value in (row.effect, row.low, row.high))
    return replace(row, said=f"x {ratio} [{low}, {high}]")


def _per_seed(real: pl.DataFrame, random: pl.DataFrame) -> tuple[dict[int, float], str]:
    """Paired by seed and by step: only steps that both arms probed are summed."""
    keys = ["seed", "step"]
    sums = [
        ratio_of_sums(
            own.join(other.select(keys), on=keys, how="semi").with_columns(pl.lit(0).alias("window")), ["seed"]
        )
        for own, other in ((real, random), (random, real))
    ]
    joined = sums[0].join(sums[1], on="seed", suffix="_random").sort("seed")
    joined = joined.filter((pl.col("m_coherence") > 0) & (pl.col("m_coherence_random") > 0))
    effects = {
        row["seed"]: float(np.log(row["m_coherence"] / row["m_coherence_random"]))
        for row in joined.iter_rows(named=True)
    }
    means = [
        number(float(np.exp(np.log(joined[column].to_numpy()).mean()))) if effects else "undefined"
        for column in ("m_coherence", "m_coherence_random")
    ]
    return effects, f"m-coherence {means[0]} with original labels, {means[1]} with random ones"
