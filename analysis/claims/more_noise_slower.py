"""The more labels are random, the more steps the same network needs to fit half of its given labels."""

import numpy as np

from analysis.coherence import plain
from analysis.contrasts import as_ratio, log_ratios, row, rows_or
from analysis.ends import step_reached
from analysis.learning import LEVEL, evaluations
from analysis.store import Store
from analysis.sweeps import Context, Sweep
from analysis.verdict import Claim, Row, unmeasured

MARGIN = float(np.log(2))
# The evaluation grid has factors of up to 2 between neighbours: less could come from the grid alone.

CONTRAST = "log steps to half of the given labels, noisy minus original"


def evaluate(store: Store, sweep: Sweep) -> Claim:
    """One row per model and label noise, against original labels."""
    rows = [made for context in map(plain, sweep.contexts()) for made in _rows(store, context)]
    return Claim(
        name="more-noise-slower",
        short="noisier labels are fitted more slowly",
        statement="The larger the share of random labels, the more steps plain training needs to fit its labels.",
        source="Chatterjee (2020), Coherent Gradients; the result is known here from secondary notes (realized learning"
        " rate falls), the evaluation schedule from the released code.",
        evidence="C, N",
        unit="log ratio",
        margin=MARGIN,
        reasoning="More than twice the steps.",
        rows=rows_or(rows, CONTRAST, "No model was trained both with original and with noisy labels."),
    )


def _rows(store: Store, context: Context) -> list[Row]:
    arms = {label: trials for (label,), trials in context.arms("noise_label")}
    original = [trials for trials in arms.values() if trials["noise"][0] == 0]
    evals, made = evaluations(store, context.trials), []
    for label, trials in arms.items():
        if not original or trials["noise"][0] == 0 or trials["noise_kind"][0].endswith("-pixels"):
            continue
        where = f"{context.label}, {label}"
        sides = [step_reached(evals, own["trial_id"].to_list(), "train", LEVEL) for own in (original[0], trials)]
        (base, base_late), (noisy, late) = sides
        if base_late or 0 in base.values():
            made.append(unmeasured(where, CONTRAST, "Original labels were not half fitted after step 0 in every seed."))
            continue
        variants = {}
        for level in (0.4, 0.6):
            other = [step_reached(evals, own["trial_id"].to_list(), "train", level) for own in (original[0], trials)]
            if not other[0][1] and not other[1][1]:
                variants[f"{100 * level:g} % of the labels instead of half"] = log_ratios(other[0][0], other[1][0])
        beside = [f"Not half fitted by the end in {len(late)} seeds: these enter as the last step."] if late else []
        made.append(
            row(
                where,
                CONTRAST,
                log_ratios(base, noisy),
                MARGIN,
                as_ratio,
                beside=beside,
                variants=variants,
                lower_bound=bool(late),
            )
        )
    return made
