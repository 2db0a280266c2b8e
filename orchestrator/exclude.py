"""Exclusions: partial matches that drop trials from the product of the axes.

A name alone matches any parameters of that choice, a mapping matches the parameters it gives, and a
list matches any of its members.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from orchestrator.fields import FIELDS
from trainables.plugins import usable
from trainables.registry import Choice, nearest
from trainables.spec import REGISTRIES


def matches(exclusion: Mapping[str, Any], point: Mapping[str, Any]) -> bool:
    """Whether every field that the exclusion names agrees with the trial's values."""
    return all(field in point and _agrees(wanted, point[field]) for field, wanted in exclusion.items())


def _agrees(wanted: Any, value: Any) -> bool:
    if isinstance(wanted, list):
        return any(_agrees(item, value) for item in wanted)
    if isinstance(value, Choice):
        partial = wanted if isinstance(wanted, Mapping) else {"name": wanted}
        given = value.model_dump(mode="json")
        return all(given.get(key) == item for key, item in partial.items())
    return bool(wanted == value)


def _exclusion(value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping) or not value:
        raise _refusal(f"given {value!r}, expected a mapping such as {{model: lenet, aggregator: winsorized}}.")
    for field, wanted in value.items():
        if field not in FIELDS:
            raise _refusal(f"unknown key {field!r}.{nearest(field, FIELDS)}")
        if field in REGISTRIES:
            for choice in wanted if isinstance(wanted, list) else [wanted]:
                _check_partial_choice(field, choice)
    return dict(value)


def _check_partial_choice(field: str, choice: object) -> None:
    wanted = choice if isinstance(choice, Mapping) else {"name": choice}
    registry = REGISTRIES[field]
    name = wanted.get("name")
    if name is not None and name not in registry:
        raise _refusal(f"unknown {field} {name!r}.{nearest(str(name), registry)}")
    entries = usable(registry).values() if name is None else [registry[str(name)]]
    known = {key for entry in entries for key in entry.params.model_fields}
    for key in wanted:
        if key not in known:
            raise _refusal(f"unknown key {key!r} of {field}.{nearest(str(key), known)}")


def _refusal(text: str) -> PydanticCustomError:
    return PydanticCustomError("exclude", "{text}", {"text": text})


Exclusion = Annotated[dict[str, Any], BeforeValidator(_exclusion)]
