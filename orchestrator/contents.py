"""Reads every file of a store, and keeps what the checks between files need.

Every page is decoded. Of curves only the numbers of rows are kept, so that memory does not grow with the store.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from typing import Any

import pyarrow.compute as pc

from orchestrator.errors import one_line
from orchestrator.findings import TEMPORARY, Finding, Remedy, within
from orchestrator.parquet_check import ForeignColumnsError, UnknownVersionError, UnreadableError, read_checked
from orchestrator.plugins_used import names_foreign
from orchestrator.store import COMPACTED, Store
from trainables.datasets.folder import MissingDataError
from trainables.location import Location, in_order
from trainables.records import CURVES
from trainables.spec import parse_spec, trial_id

Rows = list[dict[str, Any]]

TABLES = ("trials", "attempts", *CURVES)

_PART = re.compile(r"part-\d+\.parquet")
_REVISION = re.compile(r"\d+\.parquet")
_COUNTS = [f"rows_{table}" for table in CURVES]
_KEPT = {
    "trials": ["trial_id", "spec", *_COUNTS],
    "attempts": ["trial_id", "attempt", "outcome"],
    "sweeps": ["sweep", "revision", "trial_id", "spec"],
}


@dataclass
class Contents:
    """What a store holds.

    planned: ids in its sweeps. finished: trial id -> folder and row (empty where it cannot be read). attempts: path
    and row. counts: rows of curves by (table, folder, trial id). damaged: (table, folder) with a file that was not
    counted.
    """

    store: Store
    planned: set[str] = field(default_factory=set)
    finished: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    attempts: list[tuple[Location, dict[str, Any]]] = field(default_factory=list)
    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    damaged: set[tuple[str, str]] = field(default_factory=set)
    _done: dict[str, bool] = field(default_factory=dict, repr=False)

    def read(self) -> Iterator[Finding]:
        """Read all files. Sweeps first: they say which trials a run would make again."""
        for name in self.store.trial_folders("sweeps"):
            for path in _files(self.store.root / "sweeps" / name):
                yield from self._revision(name, path)
        for table in TABLES:
            for folder in self.store.trial_folders(table):
                for path in _files(self.store.root / table / folder):
                    yield from self._part(table, folder, path)

    def remedy(self, folder: str) -> Remedy | None:
        """Forget a damaged trial that is done, if a sweep of this store will make it again."""
        return "forget" if folder in self.planned and self._is_done(folder) else None

    def advice(self, folder: str) -> str:
        """What to do about a damaged file of a trial."""
        if folder == COMPACTED:
            return "make the compacted copy again"
        if not self._is_done(folder):
            return f"delete checkpoints/{folder}, so that the next run begins the trial anew"
        if folder not in self.planned:
            return "no sweep of this store would make the trial again: keep what can be read, or delete its folders"
        return "--repair forgets the trial, and the next run makes it again"

    def _is_done(self, folder: str) -> bool:
        """Asked once for each trial, not for each of its files."""
        if folder not in self._done:
            self._done[folder] = self.store.trial_file(folder).exists()
        return self._done[folder]

    def _revision(self, name: str, path: Location) -> Iterator[Finding]:
        if not _REVISION.fullmatch(path.name):
            yield from self._stray(path)
            return
        rows, wrong = self._rows(path, "sweeps", "delete it and run the sweep again")
        yield from wrong
        self.planned.update(row["trial_id"] for row in rows)
        yield from self._identities(path, rows)
        if any((row["sweep"], row["revision"]) != (name, int(path.stem)) for row in rows):
            why = "its rows name another sweep or revision"
            yield Finding(within(self.store, path), "identity", why, "move it to the place that they name")

    def _part(self, table: str, folder: str, path: Location) -> Iterator[Finding]:
        if not _PART.fullmatch(path.name):
            yield from self._stray(path)
            return
        if table == "trials" and folder != COMPACTED:
            self.finished.setdefault(folder, (folder, {}))
        advice = "its trial is whole without it: delete the file" if table == "attempts" else self.advice(folder)
        remedy = None if table == "attempts" else self.remedy(folder)
        rows, wrong = self._rows(path, table, advice, None if folder == COMPACTED else folder, remedy)
        if wrong:
            self.damaged.add((table, folder))
        yield from wrong
        if folder != COMPACTED and (others := sorted({row["trial_id"] for row in rows} - {folder})):
            why = f"its rows are of trial {one_line(', '.join(others), 60)}, not of its folder's"
            yield Finding(within(self.store, path), "identity", why, "move it where it belongs, or delete it", folder)
        yield from self._keep(table, folder, path, rows)

    def _keep(self, table: str, folder: str, path: Location, rows: Rows) -> Iterator[Finding]:
        if table == "trials":
            self.finished |= {row["trial_id"]: (folder, row) for row in rows}
            yield from self._identities(path, rows)
        elif table == "attempts":
            self.attempts += [(path, row) for row in rows]
        else:
            self.counts.update({(table, folder, row["trial_id"]): row["rows"] for row in rows})

    def _rows(
        self, path: Location, table: str, advice: str, identity: str | None = None, remedy: Remedy | None = None
    ) -> tuple[Rows, list[Finding]]:
        """Rows of a file (of curves: how many of each trial), or what is wrong with it as a file."""
        place = within(self.store, path)
        try:
            rows = read_checked(path, table, _KEPT.get(table, ["trial_id"]))
        except FileNotFoundError:
            return [], []  # a run that is at work has replaced it
        except UnreadableError as error:
            return [], [Finding(place, "unreadable", str(error), advice, identity, remedy)]
        except ForeignColumnsError as error:
            return [], [Finding(place, "schema", str(error), advice, identity, remedy)]
        except UnknownVersionError as error:
            return [], [Finding(place, "schema", str(error), "read it with the version that wrote it", identity)]
        if table not in CURVES:
            return rows.to_pylist(), []
        numbers = pc.value_counts(rows["trial_id"].combine_chunks()).to_pylist()
        return [{"trial_id": each["values"], "rows": each["counts"]} for each in numbers], []

    def _identities(self, path: Location, rows: Rows) -> Iterator[Finding]:
        """Rows whose spec is not the one that their trial id names."""
        for row in rows:
            if (hashed := _hashed(row["spec"])) != row["trial_id"]:
                why = f"the spec of trial {row['trial_id']} " + (f"hashes to {hashed}" if hashed else "cannot be read")
                advice = "do not use the trial: delete its folders and run its sweep again"
                yield Finding(within(self.store, path), "identity", why, advice, row["trial_id"])

    def _stray(self, path: Location) -> Iterator[Finding]:
        if not TEMPORARY.fullmatch(path.name):
            why = "no file of a store, yet readers may take it for one"
            yield Finding(within(self.store, path), "stray", why, "move it out of the store")


def _files(folder: Location) -> list[Location]:
    return in_order(path for path in folder.iterdir() if path.is_file())


@cache
def _hashed(spec: str) -> str | None:
    try:
        return trial_id(parse_spec(spec))
    except MissingDataError:  # images of another machine: what the text says cannot be checked, that it is whole can
        return sha256(spec.encode()).hexdigest()[:12]
    except ValueError:
        return sha256(spec.encode()).hexdigest()[:12] if names_foreign(spec) else None
