"""Revisions of a sweep in the store: which trials it meant, in order, and its text."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow.parquet as pq

from orchestrator.errors import UserError, one_line
from orchestrator.reading import DAMAGE
from orchestrator.store import Store
from trainables.location import parquet_source
from trainables.records import part_bytes, sweep_path
from trainables.spec import TrialSpec, canonical_json
from trainables.storage import create_exclusively

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,128}")
"""Of a sweep as stored, which may end in a scale."""


@dataclass(frozen=True)
class Revision:
    """One recorded revision; `added`, `kept` and `dropped` count trials against the one before."""

    number: int
    is_new: bool
    added: int
    kept: int
    dropped: int


def record_sweep(store: Store, name: str, specs: Mapping[str, TrialSpec], definition: str) -> Revision:
    """Record the sweep; the same text and trials as the newest revision make no new one."""
    number, old_text, old_ids = newest_revision(store, name)
    kept = len(set(old_ids) & specs.keys())
    added, dropped = len(specs) - kept, len(old_ids) - kept
    if number is not None and old_text == definition and old_ids == list(specs):
        return Revision(number, False, added, kept, dropped)
    following = 0 if number is None else number + 1
    if not _write(store, name, following, specs, definition):
        return record_sweep(store, name, specs, definition)  # somebody else has made this revision meanwhile
    return Revision(following, True, added, kept, dropped)


def newest_revision(store: Store, name: str) -> tuple[int | None, str | None, list[str]]:
    """Number, text and trial ids of the newest revision; (None, None, []) where the store knows no such sweep."""
    if not _NAME.fullmatch(name):
        return None, None, []  # no sweep is called so, and a path would lead out of the store
    folder = store.root / "sweeps" / name
    numbers = [int(path.stem) for path in folder.glob("*.parquet") if path.stem.isdigit()]
    if not numbers:
        return None, None, []
    path = sweep_path(store.root, name, max(numbers))
    try:
        with pq.ParquetFile(parquet_source(path)) as file:
            rows = file.read(columns=["position", "trial_id", "definition"]).to_pylist()
    except DAMAGE as error:
        raise UserError(
            f"{path} is damaged ({one_line(str(error), 120)}); delete it and run the sweep again."
        ) from error
    rows.sort(key=lambda row: row["position"])
    return max(numbers), rows[0]["definition"] if rows else None, [row["trial_id"] for row in rows]


def known_revision(store: Store, name: str) -> tuple[int, str | None, list[str]]:
    """As `newest_revision`; raises UserError for a sweep that the store does not know."""
    number, definition, identities = newest_revision(store, name)
    if number is None:
        known = ", ".join(sweep_names(store)) or "none"
        raise UserError(f"store {store.root} has no sweep {name!r}; it has: {known}. Run the sweep first.")
    return number, definition, identities


def specs_of(store: Store, name: str) -> dict[str, str]:
    """Canonical spec of each trial of the newest revision, by id; none where the store knows no such sweep."""
    number, _, _ = newest_revision(store, name)
    if number is None:
        return {}
    with pq.ParquetFile(parquet_source(sweep_path(store.root, name, number))) as file:
        rows = file.read(columns=["trial_id", "spec"]).to_pylist()
    return {row["trial_id"]: row["spec"] for row in rows}


def sweep_names(store: Store) -> list[str]:
    """Sweeps that the store knows."""
    folder = store.root / "sweeps"
    if not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if next(path.glob("*.parquet"), None))


def _write(store: Store, name: str, number: int, specs: Mapping[str, TrialSpec], definition: str) -> bool:
    """Whether this revision did not exist and does now."""
    now = time.time()
    rows = [
        {
            "sweep": name,
            "revision": number,
            "position": position,
            "trial_id": identity,
            "spec": canonical_json(spec),
            "definition": definition,
            "created_at": now,
        }
        for position, (identity, spec) in enumerate(specs.items())
    ]
    path = sweep_path(store.root, name, number)
    return create_exclusively(path, part_bytes("sweeps", rows), durable=True)
