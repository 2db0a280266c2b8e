"""At equal training loss, original labels are more coherent than random ones."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analysis.coherence import plain
from analysis.contrasts import as_ratio, row, rows_or
from analysis.phases import transient, whole_network
from analysis.query import log_window, ratio_of_sums
from analysis.store import Store
from analysis.sweeps import Context, Sweep
from analysis.verdict import Claim, Row

MARGIN = float(np.log(2))
RANDOM_LABELS = ("permuted-labels", "uniform-labels")
POINTS = 20
CONTRAST = "mean log m-coherence over common losses, original minus all labels random"


def evaluate(store: Store, sweep: Sweep) -> Claim:
    """One row per model and rule of randomising every label."""
    rows = [made for context in map(plain, sweep.contexts()) for made in _rows(store, context)]
    return Claim(
        name="real-above-random-at-equal-loss",
        short="original labels more coherent at equal loss",
        statement="At equal training loss, gradients of examples with original labels are more coherent than"
        " gradients of examples with random labels.",
        source="Chatterjee and Zielinski (2022): about 20 with real labels while the loss comes down, usually below"
        " 5 with random ones, drawn against training loss for ResNet-50 on ImageNet.",
        evidence="S",
        unit="log ratio",
        margin=MARGIN,
        reasoning="More than twice, on average over losses that both pass through (log scale, 20 points).",
        rows=rows_or(rows, CONTRAST, "The sweep has no model with original and with all labels random."),
    )


def _rows(store: Store, context: Context) -> list[Row]:
    arms = {label: trials for (label,), trials in context.arms("noise_label")}
    real = [trials for trials in arms.values() if trials["noise"][0] == 0]
    random = [
        (label, trials)
        for label, trials in arms.items()
        if trials["noise"][0] == 1 and trials["noise_kind"][0] in RANDOM_LABELS
    ]
    made = []
    later = 50
    for label, trials in random if real else ():
        sides = [_curves(store, own, transient(context)) for own in (real[0], trials)]
        late = [_curves(store, own, context.steps_per_epoch) for own in (real[0], trials)]
        made.append(
            row(
                f"{context.label}, {label}",
                CONTRAST,
                _difference(*sides),
                MARGIN,
                as_ratio,
                variants={
                    "after the first epoch only": _difference(*late),
                    f"from step {later} on": _difference(*(_curves(store, own, later) for own in (real[0], trials))),
                    "nearest window at equal loss, not interpolated": _difference(*sides, nearest=True),
                },
                seeds=real[0]["seed"].append(trials["seed"]),
                lost="since no training loss was passed through with both labels",
            )
        )
    return made


def _curves(store: Store, trials: pl.DataFrame, start: int) -> dict[int, tuple[list[float], list[float]]]:
    """Seed -> log losses, ascending, and log m-coherence there, in windows of steps from `start` on."""
    rows = whole_network(store, trials)
    evals = store.read("evals", trials["trial_id"].to_list(), ["trial_id", "step", "split", "loss"])
    loss = evals.filter((pl.col("split") == "train") & (pl.col("loss") > 0)).select("trial_id", "step", "loss")
    both = rows.join(loss, on=["trial_id", "step"]).filter(pl.col("step") >= start).with_columns(log_window())
    if both.is_empty():
        return {}
    by = ["seed", "window"]
    made = ratio_of_sums(both, by).join(both.group_by(by).agg(pl.col("loss").mean()), on=by)
    made = made.filter(pl.col("m_coherence") > 0).sort("loss")
    return {
        seed: (own["loss"].log().to_list(), own["m_coherence"].log().to_list())
        for (seed,), own in made.group_by("seed", maintain_order=True)
    }


def _difference(
    real: dict[int, tuple[list[float], list[float]]],
    random: dict[int, tuple[list[float], list[float]]],
    *,
    nearest: bool = False,
) -> dict[int, float]:
    """Seed -> mean difference of the interpolated curves over the losses that both have."""
    read = _nearest if nearest else np.interp
    effects = {}
    for seed in sorted(real.keys() & random.keys()):
        (x, y), (other_x, other_y) = real[seed], random[seed]
        low, high = max(x[0], other_x[0]), min(x[-1], other_x[-1])
        if low < high:
            grid = np.linspace(low, high, POINTS)
            effects[seed] = float(np.mean(read(grid, x, y) - read(grid, other_x, other_y)))
    return effects


def _nearest(grid: NDArray[np.float64], x: list[float], y: list[float]) -> NDArray[np.float64]:
    """y of the x nearest to each point of the grid."""
    places = np.abs(np.asarray(x)[None] - grid[:, None]).argmin(axis=1)
    return np.asarray(y)[places]
