"""Rows that were read before, kept within a budget: figures and claims ask for the same ones again and again."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

BUDGET = 512 * 2**20
"""Bytes of rows kept; what was not asked for longest goes first, and what is larger is not kept at all."""


@dataclass(frozen=True)
class _Kept:
    table: str
    trial_ids: frozenset[str] | None
    columns: frozenset[str]
    rows: pl.DataFrame


class Memory:
    """Rows by table, trials and columns; anything contained in what is kept is answered from it."""

    def __init__(self, budget: int = BUDGET) -> None:
        self._budget = budget
        self._kept: list[_Kept] = []

    def recall(self, table: str, trial_ids: frozenset[str] | None, columns: Sequence[str]) -> pl.DataFrame | None:
        """The rows as reading would give them, in the same order; None where a part of them is not kept."""
        for place, one in enumerate(self._kept):
            if one.table == table and one.columns.issuperset(columns) and _within(trial_ids, one.trial_ids):
                self._kept.append(self._kept.pop(place))
                rows = one.rows.select(columns)
                same = trial_ids is None or trial_ids == one.trial_ids
                return rows if same else rows.filter(one.rows["trial_id"].is_in(list(trial_ids or ())))
        return None

    def keep(self, table: str, trial_ids: frozenset[str] | None, rows: pl.DataFrame) -> None:
        """Remember rows that hold `trial_id`, instead of those that they contain."""
        size = rows.estimated_size()
        if size > self._budget:
            return
        new = _Kept(table, trial_ids, frozenset(rows.columns), rows)
        self._kept = [one for one in self._kept if not _contains(new, one)]
        self._kept.append(new)
        while sum(one.rows.estimated_size() for one in self._kept) > self._budget:
            del self._kept[0]


def _within(wanted: frozenset[str] | None, known: frozenset[str] | None) -> bool:
    return known is None or (wanted is not None and wanted <= known)


def _contains(new: _Kept, old: _Kept) -> bool:
    return new.table == old.table and new.columns >= old.columns and _within(old.trial_ids, new.trial_ids)
