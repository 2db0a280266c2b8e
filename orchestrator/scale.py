"""Sizes of a sweep: the file as written, with the changes of one scale laid over it."""

from collections.abc import Mapping
from typing import Any

WHOLE = ("zip", "include", "exclude", "resources", "early_stopping")
"""Keys that a scale replaces as they are."""


def scaled_name(name: str, scale: str | None) -> str:
    """The name under which a size of a sweep is stored."""
    return name if scale is None else f"{name}.{scale}"


def scaled(raw: Mapping[str, Any], scale: str) -> dict[str, Any]:
    """The raw mapping of a sweep file at one of its scales.

    `axes` and `fixed` field by field: what the scale fixes is no axis any more, and the other way round; an axis that
    stays keeps its place. `measure` part by part. The scale's other keys replace the sweep's.
    """
    change = raw["scales"][scale] or {}
    axes, fixed = dict(raw.get("axes") or {}), dict(raw.get("fixed") or {})
    new_axes, new_fixed = change.get("axes") or {}, change.get("fixed") or {}
    axes = {name: values for name, values in axes.items() if name not in new_fixed} | new_axes
    fixed = {name: value for name, value in fixed.items() if name not in new_axes} | new_fixed
    result = {key: value for key, value in raw.items() if key != "scales"}
    result |= {"name": scaled_name(raw["name"], scale), "axes": axes, "fixed": fixed}
    result |= {key: change[key] for key in WHOLE if key in change}
    if "measure" in change:
        result["measure"] = {**(raw.get("measure") or {}), **change["measure"]}
    return {key: value for key, value in result.items() if value or key not in ("axes", "fixed")}
