"""A sweep as declared: axes, zipped groups, fixed values, measuring, extra trials, exclusions, resources.

The shapes below are made from the fields of TrialSpec, so that a new field or registry entry is a valid
axis at once, and errors and the JSON Schema name it.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    WrapValidator,
    create_model,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError

from orchestrator.early_stopping import EarlyStopping
from orchestrator.exclude import Exclusion
from orchestrator.fields import FIELDS
from orchestrator.resources import Request
from trainables.measuring import Measure
from trainables.registry import Frozen

MAX_TRIALS = 100_000
_NUMBER = {"type": "integer"}
_RANGE_SCHEMA = {
    "type": "object",
    "properties": {"range": {"type": "array", "items": _NUMBER, "minItems": 2, "maxItems": 2}},
    "required": ["range"],
    "additionalProperties": False,
    "description": "{range: [a, b]}: the integers from a up to, not including, b",
}


class _OrRange:
    """Says in the JSON Schema that `{range: [a, b]}` may stand for a list of integers."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [handler(core), _RANGE_SCHEMA]}


class ShapedBy:
    """A mapping validated as this model, and then kept as a mapping of what was written."""

    def __init__(self, model: type[Frozen]) -> None:
        self.model = model

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return handler.generate_schema(self.model)


def _from_range(value: object) -> object:
    if not isinstance(value, Mapping) or "range" not in value:
        return value
    bounds = value["range"]
    whole = isinstance(bounds, list) and len(bounds) == 2 and all(type(bound) is int for bound in bounds)
    if len(value) > 1 or not whole or bounds[0] >= bounds[1]:
        text = f"given {dict(value)}, expected {{range: [a, b]}} with integers a < b (b is not included)."
        raise PydanticCustomError("range", "{text}", {"text": text})
    if bounds[1] - bounds[0] > MAX_TRIALS:
        text = f"given {dict(value)}: more than {MAX_TRIALS} values."
        raise PydanticCustomError("range", "{text}", {"text": text})
    return list(range(*bounds))


def _many(name: str) -> Any:
    values = Annotated[tuple[FIELDS[name], ...], Field(min_length=1)]  # type: ignore[misc, valid-type]
    whole = name in ("seed", "batch_size", "epochs")
    return Annotated[values, BeforeValidator(_from_range), _OrRange()] if whole else values


def _in_order(value: Any, handler: Any) -> dict[str, tuple[Any, ...]]:
    """The order of axes is the order written, which a model would forget."""
    shape = handler(value)
    return {name: getattr(shape, name) for name in value} if isinstance(value, Mapping) else {}


def _same_length(group: dict[str, tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
    lengths = {name: len(values) for name, values in group.items()}
    if len(lengths) < 2 or len(set(lengths.values())) > 1:
        given = ", ".join(f"{name} has {length}" for name, length in lengths.items()) or "nothing"
        text = f"given {given}; expected at least two axes of equal length, since zipped axes move together."
        raise PydanticCustomError("zip", "{text}", {"text": text})
    return group


# Every default is None and never read: only what was written counts (`model_fields_set`).
_AxesShape = create_model("Axes", __base__=Frozen, **{name: (_many(name), None) for name in FIELDS})  # type: ignore[call-overload]
_FixedShape = create_model("Fixed", __base__=Frozen, **{name: (FIELDS[name], None) for name in FIELDS})  # type: ignore[call-overload]

Axes = Annotated[dict[str, tuple[Any, ...]], ShapedBy(_AxesShape), WrapValidator(_in_order)]
Group = Annotated[Axes, AfterValidator(_same_length)]


def _written(value: Any, handler: Any) -> dict[str, Any]:
    shape = handler(value)
    return {name: getattr(shape, name) for name in FIELDS if name in shape.model_fields_set}


Fixed = Annotated[dict[str, Any], ShapedBy(_FixedShape), WrapValidator(_written)]


class Include(_FixedShape):  # type: ignore[valid-type, misc]
    """Extra trials: fields said directly or under `fixed`, own axes, and the parts of `measure` that differ.

    An entry stands on the sweep's `fixed`, on its axes that have a single value, and on its `measure`.
    """

    axes: Axes = Field(default_factory=dict)
    zip: tuple[Group, ...] = ()
    fixed: Fixed = Field(default_factory=dict)
    measure: Measure = Measure()

    def overrides(self) -> dict[str, Any]:
        """Single values of this entry."""
        direct = {name: getattr(self, name) for name in FIELDS if name in self.model_fields_set}
        return {**self.fixed, **direct}


class Scale(Frozen):
    """Another size of the same sweep, as what it changes.

    axes, fixed: field by field; a field stands in the one place that says it last. measure: part by part. Every other
    key replaces the sweep's whole.
    """

    axes: Axes = Field(default_factory=dict)
    zip: tuple[Group, ...] = ()
    fixed: Fixed = Field(default_factory=dict)
    measure: Measure = Measure()
    include: tuple[Include, ...] = ()
    exclude: tuple[Exclusion, ...] = ()
    resources: Request = Request()
    early_stopping: EarlyStopping | None = None


Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]


class Sweep(Frozen):
    """What a sweep file says.

    axes: cartesian product in this order; the first axis varies slowest.
    zip: groups of axes that move together, after the axes.
    fixed: single values for every trial.
    include: extra trials; exclusions do not touch them.
    exclude: partial matches dropped from the product.
    early_stopping: stop trials that others of the sweep leave behind; none are without it.
    scales: other sizes by name; the one chosen is stored as `<name>.<scale>`.
    sweeps: of a collection, which has nothing else: names of other sweeps, in order.
    """

    name: Name
    description: str = ""
    axes: Axes = Field(default_factory=dict)
    zip: tuple[Group, ...] = ()
    fixed: Fixed = Field(default_factory=dict)
    measure: Measure = Measure()
    include: tuple[Include, ...] = ()
    exclude: tuple[Exclusion, ...] = ()
    resources: Request = Request()
    early_stopping: EarlyStopping | None = None
    scales: dict[Name, Scale] = Field(default_factory=dict)
    sweeps: tuple[Name, ...] = ()

    @model_validator(mode="after")
    def _collects_or_varies(self) -> Self:
        beside = sorted(self.model_fields_set - {"name", "description", "sweeps"})
        if self.sweeps and beside:
            raise ValueError(f"sweeps: a collection names other sweeps and has no {', '.join(beside)} of its own.")
        if repeated := {name for name in self.sweeps if self.sweeps.count(name) > 1}:
            raise ValueError(f"sweeps: {', '.join(sorted(repeated))} stands twice; keep one.")
        return self
