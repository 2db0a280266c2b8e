"""A compacted copy of a store: one file per table instead of one per trial and part; for reading and archiving.

Finished trials only. The copy is a store: `<table>/compacted/part-0.parquet`, the same columns, the same
globs. `_store.json` is written last, so that half a copy is not taken for a store. An anonymous copy is for
publishing: it does not say on whose machine the trials ran.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from orchestrator.anonymous import Names, anonymous, names_in
from orchestrator.errors import UserError, reason
from orchestrator.reading import DAMAGE, Damage
from orchestrator.store import COMPACTED, Store
from trainables.location import Location, in_order, local_file, parquet_source
from trainables.records import PARTED, SCHEMA_VERSION, SCHEMAS, STORE_FILE, part_path, to_table

ROWS_AT_ONCE = 200_000
_TABLES = ("trials", "attempts", *PARTED)
_NAMED = ("trials", "attempts", "sweeps")
"""Tables with columns that tell where and by whom a trial was run; curves have none."""


def compact(store: Store, out: Location, *, without_names: bool = False) -> Damage:
    """Write the copy, anonymous if asked; files that cannot be read are left out and named in the result."""
    if not store.exists:
        raise UserError(f"there is no store at {store.root}; name one with --store.")
    try:
        if out.exists() and (not out.is_dir() or next(out.iterdir(), None)):
            raise UserError(f"{out} is not empty; give a new folder to --out.")
        out.mkdir(parents=True, exist_ok=True)
        return _copy(store, out, without_names)
    except OSError as error:
        raise UserError(f"{out} cannot be written: {reason(error)}; give another --out.") from error


def _copy(store: Store, out: Location, without_names: bool) -> Damage:
    damage = Damage()
    finished = [name for name in store.trial_folders("trials") if store.trial_file(name).exists()]
    files = {table: [path for name in finished for path in store.parts(table, name)] for table in _TABLES}
    revisions = [path for name in store.trial_folders("sweeps") for path in _revisions(store.root / "sweeps" / name)]
    names = _names({**files, "sweeps": revisions}) if without_names else None
    for table in _TABLES:
        _write(part_path(out, table, COMPACTED, 0), SCHEMAS[table], _tables(files[table], table, damage, names), table)
    for path in revisions:
        target = out / "sweeps" / path.parent.name / path.name
        if names is None:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
        else:
            _write(target, SCHEMAS["sweeps"], _tables([path], "sweeps", damage, names), "sweeps")
    (out / STORE_FILE).write_bytes((store.root / STORE_FILE).read_bytes())
    return damage


def _revisions(folder: Location) -> list[Location]:
    return in_order(path for path in folder.glob("*.parquet") if path.stem.isdigit())


def _names(files: Mapping[str, Sequence[Location]]) -> Names:
    """From all rows of the tables that hold names; the copy names the files that cannot be read."""
    tables = (table for name in _NAMED for table in _tables(files[name], name, Damage(), None))
    return names_in(row for table in tables for row in table.to_pylist())


def _tables(files: Iterable[Location], table: str, damage: Damage, names: Names | None) -> Iterator[pa.Table]:
    for path in files:
        try:
            with pq.ParquetFile(parquet_source(path)) as file:
                found = file.read().cast(SCHEMAS[table])
        except DAMAGE as error:
            damage.add(path, str(error))
            continue
        if names is not None and table in _NAMED:
            found = to_table(table, [anonymous(table, row, names) for row in found.to_pylist()])
        yield found


def _write(target: Location, schema: pa.Schema, tables: Iterator[pa.Table], table: str) -> None:
    """Few large row groups, whatever the number of parts; no file for a table without rows."""
    with local_file(target) as path:
        _write_groups(path, schema, tables, table)


def _write_groups(path: Path, schema: pa.Schema, tables: Iterator[pa.Table], table: str) -> None:
    content = {"table": table, "schema_version": str(SCHEMA_VERSION)}
    writer, waiting, rows = None, list[pa.Table](), 0
    try:
        for part in tables:
            waiting.append(part)
            rows += part.num_rows
            if rows >= ROWS_AT_ONCE:
                writer = _append(writer, path, schema.with_metadata(content), waiting)
                waiting, rows = [], 0
        if waiting:
            writer = _append(writer, path, schema.with_metadata(content), waiting)
    finally:
        if writer is not None:
            writer.close()


def _append(writer: pq.ParquetWriter | None, path: Path, schema: pa.Schema, tables: list[pa.Table]) -> pq.ParquetWriter:
    if writer is None:
        writer = pq.ParquetWriter(path, schema, compression="zstd", write_page_checksum=True)
    writer.write_table(pa.concat_tables(tables).replace_schema_metadata(schema.metadata))
    return writer
