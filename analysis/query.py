"""Small named steps from frame to frame. Sums are averaged, never ratios."""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import polars as pl

from analysis.errors import Skipped
from analysis.theme import DISPLAY

WINDOWS_PER_DECADE = 5
"""Neighbouring probes differ by factors of 2 to 5 after the first epoch; five windows a decade of steps
hold 2 to 5 probes of the log schedule each, and leave steps 0-9 as they are."""

SPEC_SCHEMA = {
    "context": pl.String,
    "context_fields": pl.String,
    "model_label": pl.String,
    "noise": pl.Float64,
    "noise_label": pl.String,
    "noise_kind": pl.String,
    "aggregator_name": pl.String,
    "aggregator_label": pl.String,
    "spec_seed": pl.Int64,
}


def with_spec(frame: pl.DataFrame) -> pl.DataFrame:
    """Add what the canonical JSON in `spec` says, as the columns of SPEC_SCHEMA.

    Needs: spec (of `trials` or `sweeps`).

    context: JSON of everything but corruption, aggregator, seed and the schedules of measuring: trials of one
    context differ only in what the figures compare (where that is not enough to tell two trials of one seed apart,
    the schedules join in). noise: share of examples selected for corruption.
    """
    rows = [_described(text, measure=False) for text in frame["spec"]]
    cells = {(row["context"], row["noise_label"], row["aggregator_label"], row["spec_seed"]) for row in rows}
    if len(cells) < len(rows):
        rows = [_described(text, measure=True) for text in frame["spec"]]
    return frame.hstack(pl.DataFrame(rows, schema=SPEC_SCHEMA))


@lru_cache(maxsize=20_000)
def _described(text: str, *, measure: bool) -> Mapping[str, Any]:
    """Of the canonical JSON of one spec; kept, since every figure of a collection looks at its specs anew."""
    spec = json.loads(text)
    corruption = _choice(spec.get("corruption", "none"))
    aggregator = _choice(spec.get("aggregator", "mean"))
    model = _choice(spec["model"])
    rest = {k: v for k, v in spec.items() if k not in {"corruption", "aggregator", "seed", "measure", "version"}}
    measured = spec.get("measure") or {}
    rest["probe_examples"] = (measured.get("probe") or {}).get("examples")
    if measure:
        rest["measure"] = measured
    return {
        "context": json.dumps(rest, sort_keys=True),
        "context_fields": json.dumps({k: v for k, v in rest.items() if k != "model"}, sort_keys=True),
        "model_label": choice_label(model),
        "noise": 0.0 if corruption["name"] == "none" else float(corruption.get("fraction", 1.0)),
        "noise_label": noise_label(corruption),
        "noise_kind": corruption["name"],
        "aggregator_name": aggregator["name"],
        "aggregator_label": choice_label(aggregator),
        "spec_seed": spec["seed"],
    }


def _choice(value: object) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {"name": value}


def choice_label(choice: Mapping[str, Any]) -> str:
    """`{name: winsorized, level: 3}` -> `winsorized 3 %`; `{name: mlp, widths: [64, 64]}` -> `mlp 64-64`."""
    parts = [DISPLAY.get(choice["name"], str(choice["name"]))]
    for key, value in choice.items():
        if key == "level":
            parts.append(f"{value:g} %")
        elif isinstance(value, list | tuple):
            parts.append("-".join(str(item) for item in value))
        elif key != "name":
            parts.append(f"{key} {value}")
    return " ".join(parts)


def noise_label(corruption: Mapping[str, Any]) -> str:
    """`original labels`, `50 % permuted labels`, `shuffled pixels, per image`, ..."""
    if corruption["name"] == "none":
        return "original labels"
    share = f"{100 * corruption['fraction']:g} % " if "fraction" in corruption else ""
    rest = [f", {key} {value}" for key, value in corruption.items() if key not in {"name", "fraction"}]
    return share + str(corruption["name"]).replace("-", " ") + "".join(rest)


def log_window(per_decade: int = WINDOWS_PER_DECADE, *, alone: bool = True) -> pl.Expr:
    """Window of a step: steps below 10 alone (or all in one), then `per_decade` windows of equal ratio a decade.

    Needs: step. Gives the column `window`, a whole number that grows with the step.
    """
    step = pl.col("step")
    # The small offset keeps exact powers of ten in the window that they open.
    grid = ((step.clip(lower_bound=1).log10() - 1) * per_decade + 1e-9).floor().cast(pl.Int64) + 10
    return pl.when(step < 10).then(step if alone else pl.lit(0)).otherwise(grid).alias("window")


def ratio_of_sums(frame: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """m-coherence of one example over windows: sum of s2 / sum of q within each group of `by`.

    Needs one sample size per group, since m-coherence at different sizes cannot be pooled: raises Skipped where they
    differ. Rows without any gradient (Q = 0) are left out. Adds the mean step, n (examples), the number of probes,
    m_coherence and alpha_unbiased = (m_coherence - 1) / (n - 1). Where the rows have k, n of theirs counts units of k
    examples; alpha_W of units is inverted to alpha = alpha_W / (k - (k - 1) alpha_W), n is multiplied by k, and
    m_coherence is 1 + (n - 1) alpha.
    Needs: the columns of `by`, step, n, q, s2 and, where there are units, k; of one source, estimator and group.
    """
    k = pl.col("k").fill_null(1) if "k" in frame.columns else pl.lit(1, pl.Int64)
    defined = frame.filter((pl.col("q") > 0) & (pl.col("n") > 0)).with_columns(k.alias("k"))
    pooled = defined.group_by(by, maintain_order=True).agg(
        pl.col("step").mean(),
        pl.col("s2").sum(),
        pl.col("q").sum(),
        pl.col("n").first(),
        pl.col("k").first(),
        pl.struct("n", "k").n_unique().alias("sizes"),
        pl.len().alias("probes"),
    )
    if (pooled["sizes"] > 1).any():
        sizes = sorted((defined["n"] * defined["k"]).unique())
        raise Skipped(f"samples of {sizes} are mixed; m-coherence at different m cannot be pooled")
    ratio, n, k = pl.col("s2") / pl.col("q"), pl.col("n"), pl.col("k")
    of_units = pl.when(n > 1).then((ratio - 1) / (n - 1))
    alpha = of_units / (k - (k - 1) * of_units)
    return pooled.select(
        *by,
        *("step", "s2", "q", "probes"),
        (n * k).alias("n"),
        pl.when(k == 1).then(ratio).otherwise(1 + (n * k - 1) * alpha).alias("m_coherence"),
        alpha.alias("alpha_unbiased"),
    )


def rescaled(size: int) -> pl.Expr:
    """m-coherence that the same alpha_unbiased would show in a sample of `size`: 1 + (size - 1) alpha_unbiased.

    Needs: alpha_unbiased.
    """
    return 1 + (size - 1) * pl.col("alpha_unbiased")


def last_mean(evals: pl.DataFrame, value: str = "accuracy", evaluations: int = 3) -> pl.DataFrame:
    """Mean of the last `evaluations` evaluations of each trial and split.

    Needs: trial_id, split, step and the column `value` (of `evals`). Gives trial_id, split, `value`.
    """
    defined = evals.drop_nulls(value).sort("trial_id", "split", "step")
    return defined.group_by("trial_id", "split", maintain_order=True).agg(pl.col(value).tail(evaluations).mean())


def steps_to(evals: pl.DataFrame, level: float = 0.5) -> pl.DataFrame:
    """First evaluated step with accuracy >= level, per trial and split; null where it was never reached.

    Needs: trial_id, split, step, accuracy (of `evals`). Gives trial_id, split, reached, last_step.
    last_step: of the trial's evaluations; what is null was not reached by then.
    """
    reached = pl.col("step").filter(pl.col("accuracy") >= level).min().alias("reached")
    defined = evals.drop_nulls("accuracy")
    return defined.group_by("trial_id", "split", maintain_order=True).agg(
        reached, pl.col("step").max().alias("last_step")
    )
