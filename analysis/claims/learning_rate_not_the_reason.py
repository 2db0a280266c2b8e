"""At each aggregator's own best learning rate, robust ones still memorise less."""

import polars as pl

from analysis.contrasts import as_points, differences, row, rows_or
from analysis.rates import RATE_RULE, Tuned, tuned
from analysis.robust import ROBUST
from analysis.store import Store
from analysis.sweeps import Sweep
from analysis.verdict import Claim, Row

MARGIN = 0.05
CONTRAST = "corrupt labels predicted at the end, mean minus robust, each at its own rate"


def evaluate(store: Store, sweep: Sweep) -> Claim:
    """One row per setting and robust aggregator that was trained at several rates."""
    rows = [made for found in tuned(store, sweep) for made in _rows(found)]
    return Claim(
        name="learning-rate-not-the-reason",
        short="the learning rate is not the reason",
        statement="With the learning rate of each aggregator tuned, robust ones still memorise fewer corrupt labels.",
        source="Our question to Zielinski, Krishnan and Chatterjee (2020), whose released runs use one rate for all.",
        evidence="C",
        unit="share of corrupt labels",
        margin=MARGIN,
        reasoning=f"More than 5 points of a hundred; the rate is {RATE_RULE}.",
        rows=rows_or(rows, CONTRAST, "No two aggregators were trained at two learning rates or more."),
    )


def _rows(found: Tuned) -> list[Row]:
    names = {name: label for label, name in found.aggregators.items()}
    if "mean" not in names:
        return []
    mean, made = names["mean"], []
    for label, name in found.aggregators.items():
        if name not in ROBUST:
            continue
        own = {one: found.best[one] for one in (mean, label)}
        variants = {
            f"both at {rate:g}": differences(_corrupt(found, label, rate), _corrupt(found, mean, rate))
            for rate in found.rates
        }
        effect = differences(_corrupt(found, label, own[label]), _corrupt(found, mean, own[mean]))
        beside = [f"Own rates: {', '.join(f'{one} {rate:g}' for one, rate in own.items())}."]
        made.append(
            row(f"{found.label}, {label}", CONTRAST, effect, MARGIN, as_points, beside=beside, variants=variants)
        )
    return made


def _corrupt(found: Tuned, label: str, rate: float) -> dict[int, float]:
    own = found.ends.filter(
        (pl.col("aggregator_label") == label) & (pl.col("lr") == rate) & (pl.col("split") == "corrupt")
    )
    return dict(own.select("seed", "y").iter_rows())
