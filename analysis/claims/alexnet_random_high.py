"""On AlexNet, the whole network's coherence is high for long with random labels too."""

import polars as pl

from analysis.coherence import plain
from analysis.contrasts import as_ratio, geometric_mean, log_above, row, rows_or
from analysis.phases import AVERAGED, PUBLISHED_M, averaged, last_step, peak, pooled, whole_network
from analysis.store import Store
from analysis.sweeps import Context, Sweep
from analysis.verdict import Claim, Row

MARGIN = 0.0
HIGH = 5.0
CONTRAST = "log m-coherence minus log 5, from the end of the first epoch on"


def evaluate(store: Store, sweep: Sweep) -> Claim:
    """One row per AlexNet with all labels random."""
    rows = [made for context in map(plain, sweep.contexts()) for made in _rows(store, context)]
    return Claim(
        name="alexnet-random-high",
        short="AlexNet is coherent on random labels",
        statement="For AlexNet, m-coherence of the whole network is surprisingly high for long with random labels.",
        source="Chatterjee and Zielinski (2022), AlexNet on ImageNet, learning rate 0.01.",
        evidence="S",
        unit="log ratio",
        margin=MARGIN,
        reasoning="Above 5, the bound that the same paper gives for ResNet-50, pooled over all probes after the"
        " first epoch.",
        rows=rows_or(rows, CONTRAST, "The sweep has no AlexNet with every label random."),
    )


def _rows(store: Store, context: Context) -> list[Row]:
    made = []
    chosen = context.trials.filter(
        (pl.col("model") == "alexnet") & (pl.col("noise") == 1) & pl.col("noise_kind").str.ends_with("-labels")
    )
    for (label,), trials in Context(context.key, context.label, chosen).arms("noise_label"):
        rows = whole_network(store, trials)
        if rows.is_empty():
            continue
        epoch, end = context.steps_per_epoch, last_step(rows)
        middle, top = pooled(rows, epoch, end), peak(rows, epoch)
        beside = [f"m-coherence {geometric_mean(middle)} pooled, {geometric_mean(top)} in the highest window."]
        variants = {
            "highest window": log_above(top, HIGH),
            f"rescaled to the published m = {PUBLISHED_M:,}": log_above(pooled(rows, epoch, end, to=PUBLISHED_M), HIGH),
        }
        if not (ema := averaged(store, trials)).is_empty():
            variants[AVERAGED] = log_above(pooled(ema, epoch, end), HIGH)
        where = f"{context.label}, {label}"
        made.append(
            row(
                where,
                CONTRAST,
                log_above(middle, HIGH),
                MARGIN,
                as_ratio,
                beside=beside,
                variants=variants,
                seeds=trials["seed"],
            )
        )
    return made
