"""Pristine examples are learnt in fewer steps than corrupt ones of the same training set."""

from dataclasses import replace

import numpy as np
import polars as pl

from analysis.coherence import plain
from analysis.learning import LEVEL, evaluations, partly_corrupt
from analysis.query import steps_to
from analysis.store import Store
from analysis.sweeps import Context, Sweep
from analysis.theme import number
from analysis.verdict import Claim, Row, judge, unmeasured

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
    reached = steps_to(evaluations(store, context.trials), LEVEL)
    reached = reached.join(context.trials.select("trial_id", "seed"), on="trial_id")
    sides = [reached.filter(pl.col("split") == group) for group in ("pristine", "corrupt")]
    joined = sides[0].join(sides[1], on="seed", suffix="_corrupt").sort("seed")
    late = joined.filter(pl.col("reached").is_null() | (pl.col("reached") == 0))
    if late.height:
        seeds = ", ".join(map(str, late["seed"]))
        return unmeasured(where, CONTRAST, f"Pristine examples were not half learnt after step 0 in seeds {seeds}.")
    censored = joined.filter(pl.col("reached_corrupt").is_null()).height
    # A corrupt group that never got there took longer than the run: the last step is a bound from below.
    joined = joined.with_columns(pl.col("reached_corrupt").fill_null(pl.col("last_step_corrupt")))
    if (joined["reached_corrupt"] == 0).any():
        return unmeasured(where, CONTRAST, "Corrupt examples were half learnt at step 0 already: no ratio of steps.")
    effects = {
        row["seed"]: float(np.log(row["reached_corrupt"] / row["reached"])) for row in joined.iter_rows(named=True)
    }
    return _worded(judge(where, CONTRAST, effects, MARGIN, beside=_beside(joined, censored), lower_bound=censored > 0))


def _beside(joined: pl.DataFrame, censored: int) -> list[str]:
    steps = ", ".join(f"{value:,}" for value in joined["reached"])
    texts = [f"Pristine half learnt at steps {steps}."]
    if censored:
        last = joined["last_step_corrupt"].to_list()[0]
        texts.append(
            f"Corrupt not half learnt by step {last:,} in {censored} of {joined.height} seeds: these enter as that"
            " step, so the ratio is a bound from below."
        )
    return texts


def _worded(row: Row) -> Row:
    if row.effect is None or row.low is None or row.high is None:
        return row
    ratio, low, high = (number(float(np.exp(value))) for value in (row.effect, row.low, row.high))
    if row.lower_bound:
        return replace(row, said=f"at least x {ratio} (bounds: [{low}, {high}])")
    return replace(row, said=f"x {ratio} [{low}, {high}]")
