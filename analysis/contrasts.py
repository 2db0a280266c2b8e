"""What the claims share: rows from paired numbers per seed, with words and other choices of analysis beside."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from analysis.theme import number
from analysis.verdict import Row, Variant, judge, unmeasured

Words = Callable[[float, float, float], str]
PerSeed = Mapping[int, float]

NO_VALUE = "No value (or none above 0, so no logarithm) in {}."


def as_ratio(effect: float, low: float, high: float) -> str:
    """A log ratio as a factor: `x 12 [9, 16]`."""
    ratio, below, above = (number(float(np.exp(value))) for value in (effect, low, high))
    return f"x {ratio} [{below}, {above}]"


def as_points(effect: float, low: float, high: float) -> str:
    """A difference of shares: `+3.1 points [+1.0, +5.2]`."""
    return f"{100 * effect:+.1f} points [{100 * low:+.1f}, {100 * high:+.1f}]"


def row(
    where: str,
    contrast: str,
    per_seed: PerSeed,
    margin: float,
    words: Words,
    *,
    beside: Sequence[str] = (),
    variants: Mapping[str, PerSeed] | None = None,
    lower_bound: bool = False,
    seeds: Iterable[int] = (),
    lost: str = "",
) -> Row:
    """`judge`, with the effect in words and the same contrast under other choices of analysis.

    seeds: all that were trained. Those of them without a value are left out and named if the claim has a reason `lost`
    for that. Otherwise one without a value, which has no logarithm, means that nothing is measured: seeds that are left
    out by their value would bias the rest. The same holds for other choices of analysis.
    """
    absent = sorted(set(seeds) - per_seed.keys())
    if absent and not lost:
        return unmeasured(where, contrast, NO_VALUE.format(_seeds(absent)), n=len(per_seed), beside=beside)
    texts = [*beside, *([f"Left out, {lost}: {_seeds(absent)}."] if absent else [])]
    made = judge(where, contrast, per_seed, margin, beside=texts, lower_bound=lower_bound)
    if made.effect is None or made.low is None or made.high is None:
        return made
    others = tuple(
        _variant(choice, values, margin, words, per_seed, lower_bound) for choice, values in (variants or {}).items()
    )
    bound = "at least " if lower_bound else ""
    return replace(made, said=bound + words(made.effect, made.low, made.high), sensitivity=others)


def _variant(
    choice: str, per_seed: PerSeed, margin: float, words: Words, seeds: Iterable[int], lower_bound: bool
) -> Variant:
    absent = sorted(set(seeds) - per_seed.keys())
    if absent:
        return Variant(choice, "not measured", said=NO_VALUE.format(_seeds(absent)))
    made = judge("", "", per_seed, margin, lower_bound=lower_bound)
    if made.effect is None or made.low is None or made.high is None:
        return Variant(choice, "not measured", said=made.why)
    said = f"{words(made.effect, made.low, made.high)} (n = {made.n})"
    return Variant(choice, made.verdict, made.effect, made.low, made.high, said)


def _seeds(seeds: Sequence[int]) -> str:
    return f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"


def rows_or(rows: Sequence[Row], contrast: str, why: str) -> tuple[Row, ...]:
    """The rows, or one that says why there are none."""
    return tuple(rows) or (unmeasured("all", contrast, why),)


def differences(first: PerSeed, second: PerSeed) -> dict[int, float]:
    """second - first, by seed, where both are known."""
    return {seed: second[seed] - first[seed] for seed in sorted(first.keys() & second.keys())}


def log_ratios(first: PerSeed, second: PerSeed) -> dict[int, float]:
    """log(second / first), by seed, where both are known and above 0."""
    both = sorted(first.keys() & second.keys())
    return {s: float(np.log(second[s] / first[s])) for s in both if first[s] > 0 and second[s] > 0}


def log_above(values: PerSeed, bound: float) -> dict[int, float]:
    """log(value / bound), by seed, where the value is above 0."""
    return log_ratios(dict.fromkeys(values, bound), values)


def log_below(values: PerSeed, bound: float) -> dict[int, float]:
    """log(bound / value), by seed, where the value is above 0."""
    return log_ratios(values, dict.fromkeys(values, bound))


def within_factor(values: PerSeed, target: float, factor: float) -> dict[int, float]:
    """log(factor) - |log(value / target)|: above 0 where a value is within the factor of the target."""
    return {s: float(np.log(factor) - abs(v)) for s, v in log_above(values, target).items()}


def within(effect: float, low: float, high: float) -> str:
    """Words for `within_factor`: how far inside (+) or outside (-) of the factor, as a factor."""
    return f"{effect:+.2f} [{low:+.2f}, {high:+.2f}] on the log scale (above 0: within)"


def geometric_mean(values: PerSeed) -> str:
    """In words, for `beside`."""
    known = [value for value in values.values() if value > 0]
    return number(float(np.exp(np.mean(np.log(known))))) if known else "undefined"
