"""A store on disk, read lazily: finished trials only, completed ones by default.

`<store>/<table>/<folder>/part-<k>.parquet` with the declared columns in every file. The `trial_id` column
is the truth; the folder name only lets files of other trials be skipped unread. A part that cannot be
read is named in `damaged`, and everything else is read.
"""

import json
from collections.abc import Collection, Sequence
from functools import cached_property

import polars as pl
import pyarrow as pa

from analysis.errors import UserError
from analysis.memory import Memory
from analysis.parts import Parts, first_line
from trainables.records import (
    SCHEMA_VERSION,
    SCHEMAS,
    STORE_FILE,
    Location,
    LocationError,
    RemotePath,
    locate,
    polars_options,
)

COUNTED = ("steps", "layers", "evals", "examples", "instruments")
"""Tables whose number of rows `trials` declares."""


class Store:
    """Read access to the tables under `path`; raises UserError where there is no store this version can read.

    Every folder is listed, and every file checked, once, when it is first needed: make a new Store to see what a run
    has written since. Rows are read once and kept within a budget of memory.
    """

    def __init__(self, path: str | Location) -> None:
        self.path = located(path)
        self.schema_version = _schema_version(self.path)
        self._parts = Parts(self.path)
        self._options = polars_options() if isinstance(self.path, RemotePath) else None
        self._memory = Memory()

    @property
    def damaged(self) -> dict[Location, str]:
        """Files that could not be read, and why; grows as tables are touched."""
        return dict(sorted(self._parts.damaged.items(), key=str))

    def scan(self, table: str, trial_ids: Collection[str] | None = None) -> pl.LazyFrame:
        """Every readable row of a table, unfinished trials included; an absent table is empty."""
        schema = SCHEMAS[table]
        paths = self._parts.readable(table, trial_ids)
        if not paths:
            return _empty(schema)
        frame = pl.scan_parquet(paths, glob=False, hive_partitioning=False, storage_options=self._options)
        return frame if trial_ids is None else frame.filter(pl.col("trial_id").is_in(list(trial_ids)))

    def read(
        self, table: str, trial_ids: Collection[str] | None = None, columns: Sequence[str] | None = None
    ) -> pl.DataFrame:
        """Rows of completed trials (of `trial_ids` among them, if given)."""
        wanted = set(self.trials["trial_id"]) if trial_ids is None else set(trial_ids) & set(self.trials["trial_id"])
        return self._collect(table, wanted, columns)

    def read_all(self, table: str, trial_ids: Collection[str]) -> pl.DataFrame:
        """Rows of these trials whether or not they finished (`attempts` of failed ones)."""
        return self._collect(table, set(trial_ids), None)

    @cached_property
    def finished(self) -> pl.DataFrame:
        """`trials`, whatever the outcome."""
        return self._collect("trials", None, None).unique("trial_id", keep="first", maintain_order=True)

    @cached_property
    def trials(self) -> pl.DataFrame:
        """`trials` that completed."""
        return self.finished.filter(pl.col("outcome") == "completed")

    def sweep_names(self) -> list[str]:
        """Names of the sweeps launched into this store."""
        folders = self.path / "sweeps"
        if not folders.is_dir():
            return []
        return sorted(p.name for p in folders.iterdir() if self._parts.revisions(p.name))

    def revision(self, name: str, number: int | None = None) -> pl.DataFrame:
        """Rows of the newest readable revision of a sweep, or of one by number, in order."""
        for path in self._parts.revisions(name):
            if number is not None and int(path.stem) != number:
                continue
            if self._parts.fits(path, SCHEMAS["sweeps"]):
                rows = self._parts.read(path).sort("position")
                if rows.height:
                    return rows
                self._parts.mark(path, "no trials in it")
        raise UserError(f"sweep {name!r} in {self.path}: no revision can be read; run `coherence run {name}` again.")

    def check(self, trial_ids: Collection[str]) -> dict[Location, str]:
        """Look at every table of these trials and compare row counts with what `trials` declares."""
        finished = self.finished.filter(pl.col("trial_id").is_in(list(trial_ids)))
        for table in COUNTED:
            counts = self._collect(table, set(finished["trial_id"]), ["trial_id"]).group_by("trial_id").len("found")
            joined = finished.join(counts, on="trial_id", how="left").with_columns(pl.col("found").fill_null(0))
            for row in joined.filter(pl.col("found") != pl.col(f"rows_{table}")).iter_rows(named=True):
                folder = self.path / table / row["trial_id"]
                why = f"{row['found']} of {row[f'rows_{table}']} rows can be read"
                if not any(str(path).startswith(f"{folder}/") or path == folder for path in self._parts.damaged):
                    self._parts.mark(folder, why)
        return self.damaged

    def _collect(self, table: str, trial_ids: set[str] | None, columns: Sequence[str] | None) -> pl.DataFrame:
        selected = SCHEMAS[table].names if columns is None else list(columns)
        wanted = None if trial_ids is None else frozenset(trial_ids)
        known = self._memory.recall(table, wanted, selected)
        if known is not None:
            return known
        rows = self._read(table, trial_ids, selected if "trial_id" in selected else ["trial_id", *selected])
        self._memory.keep(table, wanted, rows)
        return rows.select(selected)

    def _read(self, table: str, trial_ids: set[str] | None, columns: Sequence[str]) -> pl.DataFrame:
        try:
            return self.scan(table, trial_ids).select(columns).collect()
        except (pl.exceptions.PolarsError, OSError):
            # A footer can be whole while a page is not: find the part by reading each, then read the rest.
            if not self._parts.look_again(table, trial_ids):
                raise
            return self.scan(table, trial_ids).select(columns).collect()


def _empty(schema: pa.Schema) -> pl.LazyFrame:
    frame = pl.from_arrow(schema.empty_table())
    assert isinstance(frame, pl.DataFrame)
    return frame.lazy()


def located(place: str | Location) -> Location:
    """Where a store is; raises UserError for an address of none."""
    try:
        return locate(place)
    except LocationError as error:
        raise UserError(f"store: {error}") from error


def _schema_version(path: Location) -> int:
    marker = path / STORE_FILE
    try:
        if isinstance(path, RemotePath):
            path.reach()
        found = marker.is_file()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; give another --store.") from error
    if not found:
        raise UserError(f"{path} is not a store: it has no {STORE_FILE}; give the folder that `coherence run` wrote.")
    try:
        version = json.loads(marker.read_text())["schema_version"]
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise UserError(f"{marker} cannot be read ({first_line(error)}); expected JSON with schema_version.") from error
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise UserError(f"{marker} has schema_version {version!r}; expected a whole number from 1 to {SCHEMA_VERSION}.")
    if version > SCHEMA_VERSION:
        raise UserError(
            f"{path} has schema version {version}; this gradient-coherence reads up to {SCHEMA_VERSION}: upgrade it."
        )
    return version
