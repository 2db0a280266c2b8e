"""At fresh weights, easy examples are more coherent than hard ones."""

import numpy as np

from analysis.contrasts import as_ratio, geometric_mean, log_ratios, row, rows_or
from analysis.phases import pooled, whole_network
from analysis.sides import sides_of
from analysis.store import Store
from analysis.sweeps import Sweep
from analysis.verdict import Claim

MARGIN = float(np.log(1.25))
CONTRAST = "log m-coherence at fresh weights, easy minus hard"


def evaluate(store: Store, sweep: Sweep) -> Claim:
    """One row per setting with both sides."""
    rows = []
    for label, arms, trials in sides_of(sweep):
        sides = {
            style[0]: whole_network(store, trials.filter(trials["trial_id"].is_in(ids))) for ids, style in arms.values()
        }
        hard, easy = (pooled(sides[side], 0, 0) for side in ("hard", "easy"))
        spans = {f"steps 0 to {end}": (0, end) for end in (10, 40)}
        rows.append(
            row(
                label,
                CONTRAST,
                log_ratios(hard, easy),
                MARGIN,
                as_ratio,
                beside=[f"m-coherence {geometric_mean(easy)} of easy, {geometric_mean(hard)} of hard examples."],
                variants={
                    words: log_ratios(pooled(sides["hard"], *span), pooled(sides["easy"], *span))
                    for words, span in spans.items()
                },
                seeds=trials["seed"],
            )
        )
    return Claim(
        name="easy-more-coherent",
        short="easy examples more coherent than hard ones",
        statement="Gradients of easy examples (learnt first) are more coherent than those of hard ones.",
        source="Zielinski, Krishnan and Chatterjee (2020): easy examples share more with one another. That their"
        " coherence is higher is known here from secondary notes on Chatterjee and Zielinski (2022).",
        evidence="S, N",
        unit="log ratio",
        margin=MARGIN,
        reasoning="More than a quarter above, at weights that neither side has trained.",
        rows=rows_or(rows, CONTRAST, "No setting was trained on an easy and on a hard side."),
    )
