"""The pydantic type of 'one entry of this registry'. Torch-free.

Built-in entries are a discriminated union over `name`; the parameters of a published one are looked up when it is
named, those of code when the code is allowed (`trainables.code`).
"""

from collections.abc import Mapping
from functools import reduce
from operator import or_
from typing import Annotated, Any

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic_core import (
    CoreSchema,
    ErrorDetails,
    PydanticCustomError,
    PydanticKnownError,
    core_schema,
)

from trainables import code
from trainables.plugins import Registry
from trainables.registry import Choice, Entry, nearest


def choice_type(kind: str, registry: Mapping[str, Entry]) -> Any:
    """The pydantic type of one entry of a registry: a name, or a mapping with `name` and its parameters."""
    members = [entry.params for entry in builtin(registry).values()]
    union: Any = reduce(or_, members)
    if len(members) > 1:
        union = Annotated[union, Field(discriminator="name")]
    return Annotated[union, OneOf(kind, registry)]


def builtin(registry: Mapping[str, Entry]) -> Mapping[str, Entry]:
    """The entries that are there whatever is installed."""
    return registry.builtin if isinstance(registry, Registry) else registry


class OneOf:
    """Finds the parameter model of a name, validates by it, and writes a choice by its own fields."""

    def __init__(self, kind: str, registry: Mapping[str, Entry]) -> None:
        self._kind, self._registry = kind, registry

    def models(self) -> list[type[Choice]]:
        """Parameter models of what is not built in and can be used; for the words of a refusal."""
        kept = self._registry.kept if isinstance(self._registry, Registry) else {}
        return [entry.params for entry in (*self._published().values(), *kept.values())]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        own = core_schema.simple_ser_schema("any")
        return core_schema.no_info_wrap_validator_function(self._validated, handler(source), serialization=own)

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        published = self._published()
        names = [*_bare(builtin(self._registry)), *_bare(published)]
        shapes = [_whole(entry.params.model_json_schema()) for entry in published.values()]
        return {"anyOf": [{"enum": names}, handler(core), *shapes]}

    def _validated(self, value: object, handler: Any) -> Any:
        if isinstance(value, Choice):
            known = value.name in builtin(self._registry)
            return handler(value) if known or not isinstance(value, self._params(value.name)) else value
        mapping = {"name": value} if isinstance(value, str) else value
        if not isinstance(mapping, Mapping):
            raise self._refused(f"expected the name of a known {self._kind} or a mapping with 'name', given {value!r}.")
        name = mapping.get("name")
        if not isinstance(name, str):
            raise self._refused(f"this {self._kind} has no 'name', given {dict(mapping)!r}.")
        if name in builtin(self._registry):
            return handler(mapping)
        params = self._params(name)
        try:
            return params.model_validate(dict(code.signed(name, mapping)))
        except ValidationError as error:
            raise _under(name, error) from error

    def _params(self, name: str) -> type[Choice]:
        if code.is_code(name):
            entry = code.entry_of(self._kind, name)
            if isinstance(self._registry, Registry):
                self._registry.keep(name, entry)
            return entry.params
        if name not in self._registry:
            text = f"unknown {self._kind} {name!r}.{nearest(name, self._registry)}"
            raise PydanticCustomError("unknown_name", "{text}", {"text": text})
        return self._registry[name].params

    def _published(self) -> dict[str, Entry]:
        if not isinstance(self._registry, Registry):
            return {}
        return {name: entry for name, entry in self._registry.usable().items() if name not in self._registry.builtin}

    def _refused(self, text: str) -> PydanticCustomError:
        known = ", ".join(sorted(self._registry))
        return PydanticCustomError("not_a_choice", "{text}", {"text": f"{text} Known: {known}."})


def _under(name: str, error: ValidationError) -> ValidationError:
    """The same error below the name, as a union says it."""
    lines: list[Any] = [
        {**_again(one), "loc": (name, *one["loc"]), "input": one["input"]} for one in error.errors(include_url=False)
    ]
    return ValidationError.from_exception_data(error.title, lines)


def _again(one: ErrorDetails) -> Any:
    """Type and numbers of an error of pydantic's own kinds; of any other its words."""
    context = one.get("ctx")
    try:
        PydanticKnownError(one["type"], context)  # type: ignore[arg-type]
    except (KeyError, TypeError):  # a kind of the model's own, or one that carries an exception
        words = one["msg"].removeprefix("Value error, ")
        return {"type": PydanticCustomError("value_error", "{text}", {"text": words})}
    return {"type": one["type"], **({"ctx": context} if context else {})}


def _bare(entries: Mapping[str, Entry]) -> list[str]:
    """Names that may stand for a choice without parameters."""
    return [name for name, entry in entries.items() if not _required(entry.params) - {"name"}]


def _required(model: type[Choice]) -> set[str]:
    return {name for name, field in model.model_fields.items() if field.is_required()}


def _whole(schema: dict[str, Any]) -> dict[str, Any]:
    """A JSON Schema with its definitions written out where they are referred to."""
    definitions = schema.pop("$defs", {})

    def written_out(part: Any) -> Any:
        if isinstance(part, list):
            return [written_out(item) for item in part]
        if not isinstance(part, dict):
            return part
        if "$ref" in part:
            return written_out(definitions[part["$ref"].removeprefix("#/$defs/")])
        return {key: written_out(item) for key, item in part.items()}

    return written_out(schema)
