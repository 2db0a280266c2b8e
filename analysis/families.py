"""Contexts that differ in one field of the spec only: learning rates, starts, sides of the training set."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from analysis.sweeps import Context, context_labels

Fields = dict[str, Any]


@dataclass(frozen=True)
class Family:
    """label: what the members share; members: (value of the field, context), in the order of the sweep."""

    label: str
    members: tuple[tuple[Any, Context], ...]


def families(contexts: Sequence[Context], take: Callable[[Fields], Any]) -> list[Family]:
    """Contexts grouped by what is left of their fields after `take`, which removes one field and returns its value."""
    grouped: dict[str, list[tuple[Any, Context]]] = {}
    rows: dict[str, tuple[str, str, str]] = {}
    for context in contexts:
        fields = json.loads(context.key)
        value = take(fields)
        rest = json.dumps(fields, sort_keys=True)
        model = str(context.trials["model_label"].to_list()[0])
        others = {name: item for name, item in fields.items() if name != "model"}
        rows[rest] = (rest, model, json.dumps(others, sort_keys=True))
        grouped.setdefault(rest, []).append((value, context))
    if not rows:
        return []
    labels = context_labels(
        pl.DataFrame(list(rows.values()), schema=["context", "model_label", "context_fields"], orient="row")
    )
    return [Family(labels[rest], tuple(members)) for rest, members in grouped.items()]


def architectures(contexts: Sequence[Context]) -> int:
    """Distinct models among the contexts; across them initialisation is not paired."""
    return len({label for context in contexts for label in context.trials["model_label"].unique().to_list()})
