"""One line from a pydantic error: where, what was given, what is known or expected, what to do next."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from orchestrator.errors import one_line
from orchestrator.sweep import ShapedBy
from trainables.choosing import OneOf
from trainables.registry import nearest

_EXPECTED = {
    "int_type": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text",
    "tuple_type": "a list",
    "none_required": "null",
    "dict_type": "a mapping",
    "finite_number": "a finite number",
    "greater_than": "more than {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than": "less than {lt:g}",
    "less_than_equal": "at most {le:g}",
    "literal_error": "{expected}",
    "too_short": "at least {min_length} value(s)",
    "string_pattern_mismatch": "a name of a-z, 0-9, '.', '_' and '-', starting with a letter or digit, 64 at most",
}
_OWN_WORDS = ("unknown_name", "not_a_choice", "code", "range", "zip", "exclude", "value_error")
_URGENCY = {"extra_forbidden": 0, "unknown_name": 0, "missing": 1}


def explain(error: ValidationError, raw: Any, model: type[BaseModel], source: str) -> str:
    """The error that helps most, as one line. `raw` is what was validated, `model` by what."""
    details = error.errors(include_url=False)
    located = [(_real_path(detail, raw), detail) for detail in details]
    path, chosen = min(located, key=lambda item: (-len(item[0]), _URGENCY.get(item[1]["type"], 2)))
    beside = [detail for other, detail in located if other == path]
    where = f"{source}: {spelled(path)}: " if path else f"{source}: "
    return one_line(where + _say(chosen, beside, model))


def spelled(path: Sequence[str | int]) -> str:
    """`axes.aggregator[1].level`."""
    text = "".join(f"[{item}]" if isinstance(item, int) else f".{item}" for item in path)
    return text.removeprefix(".")


def _real_path(detail: ErrorDetails, raw: Any) -> tuple[str | int, ...]:
    """The location less the tags that pydantic adds for members of a union."""
    path: list[str | int] = []
    last = len(detail["loc"]) - 1
    for position, item in enumerate(detail["loc"]):
        inside_list = isinstance(item, int) and isinstance(raw, list | tuple) and item < len(raw)
        inside_mapping = isinstance(raw, Mapping) and item in raw
        if inside_list or inside_mapping:
            raw = raw[item]
            path.append(item)
        elif position == last and detail["type"] == "missing":
            path.append(item)
    return tuple(path)


def _say(chosen: ErrorDetails, beside: Sequence[ErrorDetails], model: type[BaseModel]) -> str:
    kind, key = chosen["type"], str(chosen["loc"][-1]) if chosen["loc"] else ""
    if kind == "extra_forbidden":
        return f"unknown key {key!r}.{nearest(key, _known_keys(model, chosen['loc']))}"
    if kind == "missing":
        return f"missing; give {key!r}. Known keys: {', '.join(sorted(_known_keys(model, chosen['loc'])))}."
    if kind in _OWN_WORDS:
        return chosen["msg"].removeprefix("Value error, ")
    expected = dict.fromkeys(_expected(detail, model) for detail in beside)
    return f"given {_shown(chosen['input'])}, expected {', or '.join(expected)}."


def _expected(detail: ErrorDetails, model: type[BaseModel]) -> str:
    if detail["type"] in ("model_type", "model_attributes_type"):
        return f"a mapping of {', '.join(sorted(_known_keys(model, (*detail['loc'], 0))))}"
    template = _EXPECTED.get(detail["type"])
    return template.format(**detail.get("ctx", {})) if template else detail["msg"].removeprefix("Input should be ")


def _shown(value: Any) -> str:
    """As YAML would write it, cut short."""
    words = {None: "null (nothing)", True: "true", False: "false"}
    if value is None or isinstance(value, bool):
        return words[value]
    return "an empty list" if value in ([], ()) else one_line(repr(value), 80)


def _known_keys(model: type[BaseModel], location: Sequence[str | int]) -> set[str]:
    """Keys of the models that may stand where the last item of `location` was found."""
    candidates = [model]
    for item in location[:-1]:
        fields = [each.model_fields[item] for each in candidates if item in each.model_fields]
        if fields:
            candidates = [found for field in fields for found in _models_in([field.annotation, *field.metadata])]
        elif isinstance(item, str):
            candidates = [each for each in candidates if item in (each.__name__, *_tags(each))] or candidates
    return {name for each in candidates for name in each.model_fields}


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if isinstance(annotation, ShapedBy):
        return [annotation.model]
    if isinstance(annotation, OneOf):
        return list(annotation.models())
    parts = annotation if isinstance(annotation, list) else get_args(annotation)
    return [found for part in parts for found in _models_in(part)]


def _tags(model: type[BaseModel]) -> tuple[Any, ...]:
    field = model.model_fields.get("name")
    literal = field is not None and get_origin(field.annotation) is Literal
    return get_args(field.annotation) if field is not None and literal else ()
