"""The fields of a trial that a sweep may vary or fix."""

from collections.abc import Mapping
from typing import Any, get_type_hints

from trainables.registry import Choice
from trainables.spec import TrialSpec

FIELDS: dict[str, Any] = {
    name: kind
    for name, kind in get_type_hints(TrialSpec, include_extras=True).items()
    if name in TrialSpec.model_fields and name not in ("version", "measure")
}
"""What a sweep may vary or fix: every field of a trial, with its type; `measure` has its own place."""

REQUIRED = tuple(name for name in FIELDS if TrialSpec.model_fields[name].is_required())


def describe(point: Mapping[str, Any]) -> str:
    """One trial in words: `model mlp(widths=[8]), seed 0`."""
    return ", ".join(f"{field} {describe_value(value)}" for field, value in point.items())


def describe_value(value: Any) -> str:
    """A choice with the parameters that were given, or a plain value."""
    if not isinstance(value, Choice):
        return str(value)
    given = value.model_dump(mode="json", exclude_defaults=True, exclude={"name"})
    parameters = ", ".join(f"{key}={item}" for key, item in given.items())
    return f"{value.name}({parameters})" if parameters else value.name
