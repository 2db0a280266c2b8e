"""When to measure: step t means the parameters after t updates; step 0 and the last are always in."""

from typing import Annotated, Literal

from pydantic import Field

from trainables.registry import Frozen, Integer


class Every(Frozen):
    """Every n-th step."""

    every: Annotated[Integer, Field(ge=1)]


Rule = Literal["log", "1-2-5"] | Every
Schedule = Rule | Annotated[tuple[Rule, ...], Field(min_length=1)]

MAX_POINTS = 1_000_000
"""Most steps that one schedule may name: more could not be held, or looked at."""


def points(schedule: Schedule, last: int) -> int:
    """At most so many steps does a schedule name, counted without writing them out."""
    if isinstance(schedule, tuple):
        return sum(points(rule, last) for rule in schedule)
    return last // schedule.every + 2 if isinstance(schedule, Every) else 10 * len(str(last))


def _leading(multiples: tuple[int, ...], last: int) -> set[int]:
    steps, power = set(), 1
    while power <= last:
        steps |= {m * power for m in multiples if m * power <= last}
        power *= 10
    return steps


def steps_of(schedule: Schedule, last: int) -> frozenset[int]:
    """The steps in [0, last] that a schedule names.

    `log`: 0-9, 10-90 by 10, 100-900 by 100, ...; `1-2-5`: 0, 1, 2, 5, 10, 20, ...; `{every: n}`;
    a list is the union of its members.
    """
    if isinstance(schedule, tuple):
        return frozenset().union(*(steps_of(rule, last) for rule in schedule))
    if isinstance(schedule, Every):
        return frozenset(range(0, last + 1, schedule.every)) | {last}
    multiples = tuple(range(1, 10)) if schedule == "log" else (1, 2, 5)
    return frozenset(_leading(multiples, last) | {0, last})


def digest_steps(last: int) -> frozenset[int]:
    """Steps at which every trial of `last` updates leaves digests: few enough to cost next to nothing, dense enough to
    say where a replay leaves the trial. No part of a spec, since digests change no number."""
    return steps_of("1-2-5", last)
