"""The files of a store: which there are, and which of them can be read. Each is looked at once."""

import re
from collections.abc import Collection, Iterator

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from trainables.records import SCHEMAS, Location, each, locate, parquet_source, part_number

_PART = re.compile(r"part-\d+\.parquet")
_REVISION = re.compile(r"\d+\.parquet")
_TRIAL_ID = re.compile(r"[0-9a-f]{12}")


class Parts:
    """`<store>/<table>/<folder>/part-<k>.parquet`; a folder is listed, and a footer read, when it is first needed.

    damaged: files that could not be read, and why; it grows as files are looked at.
    """

    def __init__(self, path: Location) -> None:
        self.path = path
        self.damaged: dict[Location, str] = {}
        self._folders: dict[str, list[str]] = {}
        self._readable: dict[tuple[str, str], list[str]] = {}

    def readable(self, table: str, trial_ids: Collection[str] | None) -> list[str]:
        """Parts that may hold rows of these trials (None: of all), by folder and then by number."""
        folders = list(self._wanted(table, trial_ids))
        found = each(lambda folder: self._readable_in(table, folder), folders, self.path)
        return [part for parts in found for part in parts]

    def read(self, path: Location) -> pl.DataFrame:
        """All rows of one file."""
        source = parquet_source(path)
        return pl.read_parquet(source, glob=False, hive_partitioning=False)

    def revisions(self, sweep: str) -> list[Location]:
        """Files of a sweep, the newest first, readable or not; none where there is no such sweep."""
        folder = self.path / "sweeps" / sweep
        found = [p for p in folder.iterdir() if _REVISION.fullmatch(p.name)] if folder.is_dir() else []
        return sorted(found, key=lambda p: int(p.stem), reverse=True)

    def look_again(self, table: str, trial_ids: Collection[str] | None) -> bool:
        """Decode every part of these trials, after reading them together failed; whether anything has changed."""
        before, damage = self.readable(table, trial_ids), len(self.damaged)
        self._folders.pop(table, None)
        for key in [key for key in self._readable if key[0] == table]:
            del self._readable[key]
        for part in self.readable(table, trial_ids):
            try:
                self.read(locate(part))
            except (pl.exceptions.PolarsError, OSError) as error:
                self.mark(locate(part), first_line(error))
        return len(self.damaged) > damage or self.readable(table, trial_ids) != before

    def mark(self, path: Location, why: str) -> None:
        """Note damage, and leave the file out from now on."""
        self.damaged[path] = why
        for parts in self._readable.values():
            if str(path) in parts:
                parts.remove(str(path))

    def fits(self, path: Location, schema: pa.Schema) -> bool:
        """Whether the footer of a file can be read and declares the schema; a file that has gone does not."""
        if path in self.damaged:
            return False
        try:
            with path.open("rb") as file:
                found = pq.read_schema(file)
        except FileNotFoundError:
            return False
        except (pa.ArrowException, OSError) as error:
            self.damaged[path] = first_line(error)
            return False
        if not found.equals(schema) and (columns := _columns(found)) != (declared := _columns(schema)):
            differing = sorted({name for name, _ in set(columns) ^ set(declared)})
            self.damaged[path] = f"columns differ from the declared ones: {differing or 'another order'}"
        return path not in self.damaged

    def _wanted(self, table: str, trial_ids: Collection[str] | None) -> Iterator[str]:
        """Folders of a table without those of other trials."""
        if table not in self._folders:
            root = self.path / table
            names = sorted(path.name for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
            self._folders[table] = names
        wanted = None if trial_ids is None else set(trial_ids)
        for name in self._folders[table]:
            if wanted is None or name in wanted or not _TRIAL_ID.fullmatch(name):
                yield name

    def _readable_in(self, table: str, folder: str) -> list[str]:
        key = (table, folder)
        if key not in self._readable:
            self._readable[key] = list(self._look(self.path / table / folder, SCHEMAS[table]))
        return self._readable[key]

    def _look(self, folder: Location, schema: pa.Schema) -> Iterator[str]:
        try:
            found = [path for path in folder.iterdir() if _PART.fullmatch(path.name)]
        except FileNotFoundError:
            return
        yield from (str(path) for path in sorted(found, key=part_number) if self.fits(path, schema))


def first_line(error: Exception) -> str:
    """The first line of what an error says, or its name."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _columns(schema: pa.Schema) -> list[tuple[str, str]]:
    """Names and types; the ways of storing a string (polars writes large ones) count as one."""
    kinds = [str(kind).removeprefix("large_").removesuffix("_view") for kind in schema.types]
    return list(zip(schema.names, kinds, strict=True))
