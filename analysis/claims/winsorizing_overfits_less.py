"""Adjusted overfit falls from each winsorizing level to the next."""

from itertools import pairwise

import polars as pl

from analysis.contrasts import as_points, row, rows_or
from analysis.learning import classes, evaluations, overfit_rows, partly_corrupt
from analysis.query import last_mean
from analysis.store import Store
from analysis.sweeps import Context, Sweep
from analysis.theme import percent
from analysis.verdict import Claim, Row

MARGIN = 0.0
LEAST = 3
CONTRAST = "smallest drop of adjusted overfit between neighbouring levels"


def evaluate(store: Store, sweep: Sweep) -> Claim:
    """One row per model and corruption of some but not all labels with three levels or more, plain averaging first."""
    rows = [
        made
        for context in sweep.contexts()
        for label, chosen in partly_corrupt(context)
        if (made := _row(store, chosen, f"{context.label}, {label}")) is not None
    ]
    return Claim(
        name="winsorizing-overfits-less",
        short="overfit falls with the winsorizing level",
        statement="Adjusted overfit (training accuracy less what original labels explain of it) falls monotonically"
        " with the winsorizing level.",
        source="Chatterjee (2020), Coherent Gradients, as reported in secondary notes; the rule is in the released"
        " code.",
        evidence="C, N",
        unit="share of examples",
        margin=MARGIN,
        reasoning="Every step from one level to the next must lower it: the smallest drop is judged.",
        rows=rows_or(rows, CONTRAST, "No model was trained with three winsorizing levels on partly corrupted labels."),
    )


def _row(store: Store, context: Context, where: str) -> Row | None:
    trials = context.trials.filter(pl.col("aggregator_name").is_in(["mean", "winsorized"]))
    trials = trials.with_columns(pl.col("aggregator_level").fill_null(0.0)).sort("aggregator_level")
    levels = trials["aggregator_level"].unique(maintain_order=True).to_list()
    if len(levels) < LEAST or levels[0] != 0:
        return None
    evals = evaluations(store, trials)
    by_level = {}
    for level in levels:
        own = evals.filter(
            pl.col("trial_id").is_in(trials.filter(pl.col("aggregator_level") == level)["trial_id"].to_list())
        )
        rows = overfit_rows(own, float(trials["noise"][0]), classes(store, trials) or 1)
        ends = last_mean(rows, "overfit").join(rows.select("trial_id", "seed").unique(), on="trial_id")
        by_level[level] = dict(ends.select("seed", "overfit").iter_rows())
    seeds = set.intersection(*(set(values) for values in by_level.values()))
    pairs = list(pairwise(levels))
    smallest = {s: min(by_level[a][s] - by_level[b][s] for a, b in pairs) for s in seeds}
    ends_only = {s: by_level[levels[0]][s] - by_level[levels[-1]][s] for s in seeds}
    means = {level: sum(values[s] for s in seeds) / max(len(seeds), 1) for level, values in by_level.items()}
    beside = [f"Overfit by level: {', '.join(f'{level:g} %: {percent(value)}' for level, value in means.items())}."]
    return row(
        where,
        CONTRAST,
        smallest,
        MARGIN,
        as_points,
        beside=beside,
        variants={"from plain averaging to the largest level": ends_only},
    )
