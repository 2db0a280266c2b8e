"""A registry maps a name to the parameters it takes, the code that builds it, and plain facts.

Torch-free: the implementation is imported only when a trial is built, so that listing, planning and
reading start within a second. A choice in a sweep is a name (`lenet`) or a mapping with `name` and
typed parameters (`{name: mlp, widths: [128, 128]}`).
"""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from importlib import import_module
from importlib.metadata import entry_points
from operator import or_
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, GetJsonSchemaHandler, Strict
from pydantic_core import CoreSchema, PydanticCustomError

Integer = Annotated[int, Strict()]
Real = Annotated[float, Strict()]
"""Numbers as written: `true` and `"3"` are no numbers; an integer is a real."""


class Frozen(BaseModel):
    """Immutable, strict about unknown keys, and closed to NaN and infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True)
class Surroundings:
    """What a choice may know of the trial it is part of.

    batch_size: examples a step; dataset, model, estimator: names; shape: of one example, without the batch axis;
    epochs: passes over the training set; has_momentum: whether an update depends on the directions of earlier
    steps; mixes_examples: whether the model lets the examples of a batch see each other (batch normalisation);
    online: whether batches are measured; probe_examples: size of the probe, 0 without one.
    """

    batch_size: int
    dataset: str
    shape: tuple[int, ...]
    epochs: int
    has_momentum: bool
    model: str = ""
    estimator: str = "example"
    mixes_examples: bool = False
    online: bool = True
    probe_examples: int = 0


class Choice(Frozen):
    """Parameters of one registry entry; the subclass fixes `name` and has no default for it."""

    name: str

    def check(self, around: Surroundings) -> None:
        """Refuse, with a ValueError, a trial in which this choice cannot work. Default: accept."""


@dataclass(frozen=True)
class Entry:
    """One row of a registry.

    params: the parameter model, whose `name` is the registry key.
    code: `module:attribute` of the implementation, imported on first use.
    summary: one line for `coherence list`.
    facts: plain facts known without building (sizes, classes, what an aggregator needs); of a data set, the
        facts or a function of the choice that gives them.
    """

    params: type[Choice]
    code: str
    summary: str
    facts: Any = None


def load(entry: Entry) -> Any:
    """Import and return the implementation of an entry."""
    module, attribute = entry.code.split(":")
    return getattr(import_module(module), attribute)


def with_plugins(kind: str, builtin: Mapping[str, Entry]) -> dict[str, Entry]:
    """Built-in entries and those that other distributions publish as entry points
    `gradient_coherence.<kind>`, each resolving to an Entry. A name taken twice is refused."""
    registry = dict(builtin)
    for point in entry_points(group=f"gradient_coherence.{kind}"):
        if point.name in registry:
            raise ValueError(f"{kind}: entry point {point.value!r} takes the name {point.name!r}, which exists already")
        registry[point.name] = point.load()
    return registry


def nearest(given: str, known: Iterable[str]) -> str:
    """' Did you mean X?' when something close is known, then the full list."""
    names = sorted(known)
    close = difflib.get_close_matches(given, names, n=1, cutoff=0.5)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"{hint} Known: {', '.join(names)}."


class _OrName:
    """Says in the JSON Schema that a bare name may stand for a choice without required parameters."""

    def __init__(self, registry: Mapping[str, Entry]) -> None:
        self._names = [name for name, entry in registry.items() if not _required(entry.params) - {"name"}]

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [{"enum": self._names}, handler(core)]}


def _required(model: type[Choice]) -> set[str]:
    return {name for name, field in model.model_fields.items() if field.is_required()}


def choice_type(kind: str, registry: Mapping[str, Entry]) -> Any:
    """The pydantic type of 'one entry of this registry': a discriminated union over `name`."""

    def from_name(value: object) -> object:
        if isinstance(value, Choice):
            return value
        mapping = {"name": value} if isinstance(value, str) else value
        if not isinstance(mapping, Mapping):
            raise _error(f"expected the name of a known {kind} or a mapping with 'name', given {value!r}.", registry)
        name = mapping.get("name")
        if not isinstance(name, str):
            raise _error(f"this {kind} has no 'name', given {dict(mapping)!r}.", registry)
        if name not in registry:
            raise PydanticCustomError(
                "unknown_name", "{text}", {"text": f"unknown {kind} {name!r}.{nearest(name, registry)}"}
            )
        return mapping

    members = [entry.params for entry in registry.values()]
    union: Any = reduce(or_, members)
    if len(members) > 1:
        union = Annotated[union, Field(discriminator="name")]
    return Annotated[union, BeforeValidator(from_name), _OrName(registry)]


def _error(text: str, registry: Mapping[str, Entry]) -> PydanticCustomError:
    known = ", ".join(sorted(registry))
    return PydanticCustomError("not_a_choice", "{text}", {"text": f"{text} Known: {known}."})
