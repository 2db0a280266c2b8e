"""What tells the trials of a sweep apart, beside their seed: an arm is a cell of all other axes."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

UNSAID = {"corruption": "none", "aggregator": "mean"}
"""Choices that a canonical spec leaves out where they are the default, and that a reader wants to see."""

FIRST = ("dataset", "model", "corruption", "aggregator", "optimizer")
APART = ("seed", "trial_id", "arm", "version")
"""Keys that tell no arm."""


def flatten(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as `outer_inner` keys; a choice's `name` stands under the choice's own key."""
    flat: dict[str, Any] = {}
    for key, value in content.items():
        path = prefix if key == "name" and prefix else f"{prefix}_{key}" if prefix else key
        flat.update(flatten(value, path) if isinstance(value, Mapping) else {path: value})
    return flat


def telling(configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Keys of flat specs, seed apart, whose values differ among them."""
    names = dict.fromkeys(key for config in configs for key in config)
    apart = [key for key in names if len({json.dumps(config.get(key)) for config in configs}) > 1]
    return [key for key in apart if key not in APART]


def arm_name(config: Mapping[str, Any], by: Sequence[str]) -> str:
    """`corruption none, aggregator winsorized, aggregator_level 4`; `all trials` where nothing differs."""
    return ", ".join(f"{key} {config[key]}" for key in by if config.get(key) is not None) or "all trials"


def arms_of(specs: Mapping[str, str]) -> dict[str, str]:
    """Arm in few words, by trial id, of canonical specs by id; in the order given.

    A choice and its parameters stand together, data and model first: `permuted-labels 0.5, winsorized 4`.
    """
    flat = {identity: flatten({**UNSAID, **json.loads(text)}) for identity, text in specs.items()}
    by = sorted(telling(list(flat.values())), key=_place)
    return {identity: _short(config, by) for identity, config in flat.items()}


def _place(key: str) -> tuple[int, int, str]:
    """A choice's name before its parameters."""
    owner = next((number for number, name in enumerate(FIRST) if key == name or key.startswith(f"{name}_")), len(FIRST))
    return owner, key not in FIRST, key


def _short(config: Mapping[str, Any], by: Sequence[str]) -> str:
    """Values alone for choices and their parameters, names for plain fields."""
    words: list[str] = []
    for key in by:
        value = config.get(key)
        if value is None:
            continue
        owner = next((other for other in by if key.startswith(f"{other}_")), None)
        if owner is not None and words:
            words[-1] += f" {_value(value)}"
        else:
            words.append(str(value) if isinstance(value, str) else f"{key} {_value(value)}")
    return ", ".join(words) or "all trials"


def _value(value: Any) -> str:
    return (
        "-".join(map(str, value))
        if isinstance(value, list)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )
