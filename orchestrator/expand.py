"""From a sweep to its trials: ordered, validated as wholes, without repeats."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import prod
from typing import Any

from pydantic import ValidationError

from orchestrator.errors import UserError
from orchestrator.exclude import matches
from orchestrator.explain import explain
from orchestrator.fields import REQUIRED, describe
from orchestrator.sweep import MAX_TRIALS, Include, Sweep
from trainables.measuring import Measure
from trainables.spec import TrialSpec, trial_id

Point = dict[str, Any]
Axes = Mapping[str, Sequence[Any]]


def expand(sweep: Sweep, source: str) -> dict[str, TrialSpec]:
    """The trials by id, in order: the product of axes and zipped groups less the exclusions, then the
    included ones. A trial that comes up twice stands where it came up first."""
    specs: dict[str, TrialSpec] = {}
    _refuse_too_many(
        _size(sweep.axes, sweep.zip) + sum(_size(entry.axes, entry.zip) for entry in sweep.include), source
    )
    if sweep.axes or sweep.zip or not sweep.include:
        points = _product(sweep.fixed, sweep.axes, sweep.zip, source)
        _add(specs, _without(points, sweep.exclude, source), sweep.measure, _varying(sweep.axes, sweep.zip), source)
    elif sweep.exclude:
        raise UserError(f"{source}: exclude: there are no axes to exclude from; remove it.")
    for number, entry in enumerate(sweep.include):
        where = f"{source}: include[{number}]"
        points = _product(_base(sweep, entry), entry.axes, entry.zip, where)
        measure = _overridden(sweep.measure, entry.measure)
        _add(specs, points, measure, _varying(entry.axes, entry.zip), where)
    if not specs:
        raise UserError(f"{source}: exclude: it drops every trial of the sweep; remove or narrow an entry.")
    return specs


def _size(axes: Axes, groups: Sequence[Axes]) -> int:
    return prod(len(values) for values in axes.values()) * prod(_length(group) for group in groups)


def _refuse_too_many(size: int, source: str) -> None:
    """Before any is made; exclusions and repeats count."""
    if size > MAX_TRIALS:
        raise UserError(f"{source}: axes: they make {size} trials; at most {MAX_TRIALS} in one sweep: split it.")


def _product(fixed: Point, axes: Axes, groups: Sequence[Axes], source: str) -> Iterator[Point]:
    _refuse_conflicts(fixed, axes, groups, source)
    steps: list[list[Point]] = [[{name: value} for value in values] for name, values in axes.items()]
    steps += [[dict(zip(group, row, strict=True)) for row in zip(*group.values(), strict=True)] for group in groups]
    return ({**fixed, **_merged(parts)} for parts in product(*steps))


def _refuse_conflicts(fixed: Point, axes: Axes, groups: Sequence[Axes], source: str) -> None:
    said = Counter([*fixed, *axes, *(name for group in groups for name in group)])
    for name, times in said.items():
        if times > 1:
            raise UserError(f"{source}: {name!r} is given {times} times among axes, zip and fixed; keep one.")
    for name in REQUIRED:
        if name not in said:
            raise UserError(f"{source}: nothing says {name!r}; give it under 'fixed' or as an axis.")


def _base(sweep: Sweep, entry: Include) -> Point:
    """What an included entry stands on, less what it varies itself."""
    single = {name: values[0] for name, values in sweep.axes.items() if len(values) == 1}
    own = {*entry.axes, *(name for group in entry.zip for name in group)}
    base = {name: value for name, value in {**sweep.fixed, **single}.items() if name not in own}
    return {**base, **entry.overrides()}


def _overridden(measure: Measure, override: Measure) -> Measure:
    return measure.model_copy(update={part: getattr(override, part) for part in override.model_fields_set})


def _without(points: Iterator[Point], exclusions: Sequence[Mapping[str, Any]], source: str) -> Iterator[Point]:
    """The points that no exclusion matches; an exclusion that matches none is a mistake."""
    used: set[int] = set()
    for point in points:
        hits = [number for number, exclusion in enumerate(exclusions) if matches(exclusion, point)]
        used.update(hits)
        if not hits:
            yield point
    for number, exclusion in enumerate(exclusions):
        if number not in used:
            raise UserError(f"{source}: exclude[{number}]: {dict(exclusion)} matches no trial; correct or remove it.")


def _add(
    specs: dict[str, TrialSpec], points: Iterator[Point], measure: Measure, varying: set[str], source: str
) -> None:
    for point in points:
        try:
            spec = TrialSpec(**point, measure=measure)
        except ValidationError as error:
            which = describe({name: value for name, value in point.items() if name in varying})
            where = f"{source}: trial ({which})" if which else source
            raise UserError(explain(error, point, TrialSpec, where)) from error
        specs.setdefault(trial_id(spec), spec)


def _varying(axes: Axes, groups: Sequence[Axes]) -> set[str]:
    many = {name for name, values in axes.items() if len(values) > 1}
    return many | {name for group in groups for name in group}


def _length(group: Axes) -> int:
    return len(next(iter(group.values())))


def _merged(parts: Sequence[Point]) -> Point:
    return {name: value for part in parts for name, value in part.items()}
