"""What a reader should not expect from small sweeps: each general expectation beside what these data show."""

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from analysis.coherence import plain, probes
from analysis.learning import LAST, evaluations
from analysis.query import last_mean, log_window, ratio_of_sums
from analysis.store import Store
from analysis.sweeps import Context, Sweep
from analysis.theme import number, percent


@dataclass(frozen=True)
class Limit:
    """expectation: what to expect at this scale; here: what these data show, model by model."""

    expectation: str
    here: tuple[str, ...]


def limits(store: Store, sweep: Sweep) -> tuple[Limit, ...]:
    """All expectations, checked where the sweep holds the trials for it."""
    plains = [plain(context) for context in sweep.contexts()]
    return (
        Limit(
            "Random labels are usually not fitted completely in a run this short, so their coherence is still moving at"
            " the end: the way back to 1 cannot be judged on them.",
            _said(_random_fit(context) for context in plains),
        ),
        Limit(
            "With a constant learning rate the weights keep bouncing, and much of the coherence measured late is the"
            " common pull back that this causes. A late value above 1 need not come from the data.",
            _said(_ending(store, context) for context in plains),
        ),
        Limit(
            "A start near m (all gradients alike) needs outputs that share one strong bias. Balanced classes and"
            " near-uniform outputs cancel it.",
            _said(_start(store, context) for context in plains),
        ),
        Limit(
            "The rolling median of three batches delays memorising more than it prevents it; little gain in test"
            " accuracy is to be expected on a small network.",
            _said(_rolling(store, context) for context in sweep.contexts()),
        ),
        Limit(
            "Test accuracy at the end varies much from seed to seed under label noise, so its paired intervals are"
            " wide; those of the memorised share and of early coherence are narrow. Robust aggregation is compared"
            " with the final iterate of plain averaging; stopping plain averaging early is a different and often"
            " better opponent.",
            (),
        ),
    )


def _said(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(text for text in texts if text)


def _random_fit(context: Context) -> str:
    random = context.trials.filter((pl.col("noise") == 1) & pl.col("noise_kind").str.ends_with("-labels"))
    shares = random["final_train_accuracy"].drop_nulls().to_list()
    if not shares:
        return ""
    verb = "fitted" if min(shares) >= 0.99 else "not fitted"
    return f"{context.label}: {verb}; final training accuracy {', '.join(percent(share) for share in shares)}"


def _original_whole(store: Store, context: Context) -> pl.DataFrame:
    original = context.trials.filter(pl.col("noise") == 0)
    return probes(store, original).filter((pl.col("layer") == "*") & (pl.col("q") > 0))


def _ending(store: Store, context: Context) -> str:
    rows = _original_whole(store, context)
    if rows.is_empty() or rows["n"].n_unique() > 1:
        return ""
    pooled = ratio_of_sums(rows.with_columns(log_window()), ["seed", "window"])
    last = pooled.filter(pl.col("window") == pl.col("window").max()).sort("seed")["m_coherence"]
    return (
        f"{context.label}: original labels end at {', '.join(number(value) for value in last)} (last window, by seed)"
    )


def _start(store: Store, context: Context) -> str:
    rows = _original_whole(store, context).filter(pl.col("step") == 0).sort("seed")
    if rows.is_empty():
        return ""
    shares = ", ".join(percent(s2 / q / n) for s2, q, n in rows.select("s2", "q", "n").iter_rows())
    return f"{context.label}: at step 0 m-coherence is {shares} of m with original labels"


def _rolling(store: Store, context: Context) -> str:
    partial = context.trials.filter(
        pl.col("noise").is_between(0, 1, closed="none") & pl.col("noise_kind").str.ends_with("-labels")
    )
    final = last_mean(evaluations(store, partial), evaluations=LAST).filter(pl.col("split") == "test")
    joined = final.join(partial.select("trial_id", "seed", "noise_label", "aggregator_name"), on="trial_id")
    sides = [joined.filter(pl.col("aggregator_name") == name) for name in ("rolling-median-of-3", "mean")]
    pairs = sides[0].join(sides[1], on=["seed", "noise_label"], suffix="_mean").sort("noise_label", "seed")
    gains = [f"{100 * (a - b):+.1f}" for a, b in pairs.select("accuracy", "accuracy_mean").iter_rows()]
    return (
        f"{context.label}: test accuracy at the end against mean {', '.join(gains)} points (by seed)" if gains else ""
    )
