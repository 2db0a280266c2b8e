"""Pristine examples are learnt in fewer steps than corrupt ones of the same training set."""

import numpy as np
import polars as pl

from analysis.coherence import plain
from analysis.contrasts import as_ratio, log_ratios, row
from analysis.ends import step_reached
from analysis.learning import LEVEL, evaluations, partly_corrupt
from analysis.store import Store
from analysis.sweeps import Context, Sweep
from analysis.verdict import Claim, Row, unmeasured

Steps = tuple[dict[int, float], set[int]]

MARGIN = float(np.log(2.5))
# The evaluation grid is about logarithmic, and its thinnest form (1, 2, 5, 10, ...) has a factor of 2.5 between
# neighbours: a smaller ratio of steps could come from the grid alone.

CONTRAST = "log steps to half learnt, corrupt minus pristine"


def evaluate(store: Store, sweep: Sweep) -> Claim:
    """One row per model and corruption of some but not all labels."""
    rows = [
        _row(store, chosen, f"{context.label}, {label}")
        for context in map(plain, sweep.contexts())
        for label, chosen in partly_corrupt(context)
    ]
    return Claim(
        name="pristine-before-corrupt",
        short="pristine examples learnt before corrupt ones",
        statement="Trained together, examples with their original label are learnt before examples with a corrupt one.",
        source="Zielinski, Krishnan and Chatterjee (2020), Weak and Strong Gradient Directions; Chatterjee (2020),"
        " Coherent Gradients, whose released code logs the step at which each example is first learnt.",
        evidence="S, C",
        unit="log ratio",
        margin=MARGIN,
        reasoning="Corrupt examples must need more than 2.5 times the steps.",
        rows=tuple(rows) or (unmeasured("all", CONTRAST, "The sweep has no trial with partly corrupted labels."),),
    )


def _row(store: Store, context: Context, where: str) -> Row:
    evals, ids = evaluations(store, context.trials), context.trials["trial_id"].to_list()
    (first, never), (second, censored) = _steps(evals, ids, LEVEL)
    late = sorted(never | {seed for seed, step in first.items() if step == 0})
    if late:
        seeds = ", ".join(map(str, late))
        return unmeasured(where, CONTRAST, f"Pristine examples were not half learnt after step 0 in seeds {seeds}.")
    if 0 in second.values():
        return unmeasured(where, CONTRAST, "Corrupt examples were half learnt at step 0 already: no ratio of steps.")
    return row(
        where,
        CONTRAST,
        log_ratios(first, second),
        MARGIN,
        as_ratio,
        beside=_beside(first, second, censored),
        variants=_variants(evals, ids),
        lower_bound=bool(censored),
    )


def _steps(evals: pl.DataFrame, ids: list[str], level: float) -> tuple[Steps, Steps]:
    """Of pristine and of corrupt examples: (seed -> step at which `level` of them are learnt, or the last step, which
    is a bound from below; seeds of the latter)."""
    pristine, corrupt = (step_reached(evals, ids, split, level) for split in ("pristine", "corrupt"))
    return pristine, corrupt


def _variants(evals: pl.DataFrame, ids: list[str]) -> dict[str, dict[int, float]]:
    """Other levels, where both groups reach them in every seed."""
    found = {level: _steps(evals, ids, level) for level in (0.4, 0.6, 0.75)}
    return {
        f"{100 * level:g} % of the labels instead of half": log_ratios(first, second)
        for level, ((first, never), (second, censored)) in found.items()
        if not never and not censored
    }


def _beside(first: dict[int, float], second: dict[int, float], censored: set[int]) -> list[str]:
    steps = ", ".join(f"{first[seed]:,.0f}" for seed in sorted(first))
    texts = [f"Pristine half learnt at steps {steps}."]
    if censored:
        last = max(second[seed] for seed in censored)
        texts.append(
            f"Corrupt not half learnt by step {last:,.0f} in {len(censored)} of {len(second)} seeds: these enter as"
            " that step, so the ratio is a bound from below."
        )
    return texts
