"""A difference between sweeps or trials, for people."""

from collections.abc import Iterator
from typing import Any

from analysis.differences import Difference, Effect
from analysis.stats import KIND_WORDS

LONGEST = 48
"""Characters of a value of the provenance that are shown to people; `--json` has all."""


def difference_lines(found: Difference) -> Iterator[str]:
    """For people."""
    yield f"{found.kind}s: A is {found.a}, B is {found.b}; differences are B minus A"
    if found.fields:
        yield "differs in"
        yield from (f"  {name:<24} {_shown(a)} | {_shown(b)}" for name, a, b in found.fields)
    elif found.kind == "trial":
        yield "the same spec"
    for arm in found.arms:
        yield f"arm {arm.arm}"
        yield from (_effect_line(effect) for effect in arm.effects)
        if arm.seeds_of_one:
            yield f"  seeds of one side only: {', '.join(map(str, arm.seeds_of_one))}"
        elif not arm.effects:
            yield "  nothing to compare"
    for side, arms in (("A", found.only_a), ("B", found.only_b)):
        yield from (f"arm of {side} alone: {arm}" for arm in arms)
    if found.finals:
        yield "came to"
        yield from (f"  {name:<24} {_shown(a)} | {_shown(b)}" for name, a, b in found.finals)
    if found.kind == "trial" and not found.fields:
        yield f"rows differ first in {found.first_row}" if found.first_row else "all rows are the same, bit for bit"
    if found.provenance:
        yield "comes from"
        yield from (f"  {name:<24} {_cut(a)} | {_cut(b)}" for name, a, b in found.provenance)
    else:
        yield "the same provenance"


def _effect_line(one: Effect) -> str:
    ends = "" if one.low is None or one.high is None else f" [{one.low:+.4g}, {one.high:+.4g}], {KIND_WORDS[one.kind]}"  # type: ignore[index]
    return f"  {one.metric:<24} {one.a:.4g} | {one.b:.4g}  {one.difference:+.4g}{ends} (n = {one.n})"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def _shown(value: Any) -> str:
    return "-" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
