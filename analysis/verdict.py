"""From one number per seed to a verdict, by a rule that was fixed before the data.

supported      the interval lies wholly beyond the margin
contradicted   the interval lies wholly below zero
inconclusive   anything else
not measured   fewer than three seeds, or a seed without a value: the reason is given
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from analysis.stats import MIN_T, interval

Verdict = Literal["supported", "contradicted", "inconclusive", "not measured"]


@dataclass(frozen=True)
class Variant:
    """A contrast under another choice of analysis (m, estimator, window, smoothing), judged by the same rule.

    choice: what is done otherwise; said: the effect in words, or why there is none.
    """

    choice: str
    verdict: Verdict
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    said: str = ""


@dataclass(frozen=True)
class Row:
    """One contrast of a claim.

    label: where (model, corruption); contrast: what minus what; effect, low, high: mean over seeds and its paired
    95 % interval, in the claim's unit; per_seed: (seed, value); said: the effect in words; beside: shown with
    it and no part of the verdict; lower_bound: some values are bounds from below, since the run was too short;
    sensitivity: the same contrast under other choices of analysis.
    """

    label: str
    contrast: str
    verdict: Verdict
    n: int = 0
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    per_seed: tuple[tuple[int, float], ...] = ()
    said: str = ""
    why: str = ""
    beside: tuple[str, ...] = field(default=())
    lower_bound: bool = False
    sensitivity: tuple[Variant, ...] = ()


@dataclass(frozen=True)
class Claim:
    """A published claim with its rows: every contrast that the sweep holds, none chosen.

    short: the statement in a few words; margin: smallest effect that counts, in `unit`; reasoning: why that much.
    """

    name: str
    short: str
    statement: str
    source: str
    evidence: str
    unit: str
    margin: float
    reasoning: str
    rows: tuple[Row, ...]


def judge(
    label: str,
    contrast: str,
    per_seed: Mapping[int, float],
    margin: float,
    *,
    beside: Sequence[str] = (),
    lower_bound: bool = False,
) -> Row:
    """Apply the rule to one paired effect per seed; with lower bounds among them `contradicted` cannot be said."""
    pairs = tuple(sorted(per_seed.items()))
    n = len(pairs)
    if n < MIN_T:
        return unmeasured(label, contrast, f"{n} paired seeds; at least {MIN_T} are needed.", n=n, beside=beside)
    effect, low, high = interval(np.array([value for _, value in pairs]))
    verdict: Verdict = "inconclusive"
    if low > margin:
        verdict = "supported"
    elif high < 0 and not lower_bound:
        verdict = "contradicted"
    return Row(label, contrast, verdict, n, effect, low, high, pairs, beside=tuple(beside), lower_bound=lower_bound)


def unmeasured(label: str, contrast: str, why: str, *, n: int = 0, beside: Sequence[str] = ()) -> Row:
    """A contrast without a verdict, and the reason."""
    return Row(label, contrast, "not measured", n, why=why, beside=tuple(beside))
