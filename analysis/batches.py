"""Contexts with three times the batch: where a median of three has the batches of plain averaging as its thirds."""

from dataclasses import dataclass

from analysis.families import families
from analysis.sweeps import Context

TIMES = 3
_SAME_LENGTH = 0.02
"""Numbers of updates within this share of each other count as equal (a short last batch is dropped)."""


@dataclass(frozen=True)
class Tripled:
    """Two contexts that differ in the batch size alone, 1 to 3, after as many updates."""

    label: str
    single: Context
    triple: Context


def tripled(contexts: list[Context]) -> list[Tripled]:
    """Pairs in the order of the sweep; epochs and schedule may differ, since they follow from the number of updates."""
    pairs = []
    for family in families(contexts, _length):
        for size, single in family.members:
            for other, triple in family.members:
                near = abs(_updates(triple) - _updates(single)) <= _SAME_LENGTH * _updates(single)
                if other == TIMES * size and near:
                    pairs.append(Tripled(family.label, single, triple))
    return pairs


def _length(fields: dict[str, object]) -> int:
    """The batch size; it, the epochs and the schedule are removed."""
    fields.pop("epochs", None)
    fields.pop("schedule", None)
    size = fields.pop("batch_size")
    assert isinstance(size, int)
    return size


def batch_size(context: Context) -> int:
    """Examples a step."""
    return int(context.trials["batch_size"].to_list()[0])


def _updates(context: Context) -> int:
    return int(context.trials["steps"].to_list()[0])
