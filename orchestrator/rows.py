"""Rows of one trial as a polars frame, from its own parts or from a compacted copy's."""

from collections.abc import Sequence

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from orchestrator.store import COMPACTED, Store
from trainables.location import Location, parquet_source
from trainables.records import SCHEMAS


def table_of(store: Store, table: str, trial_id: str) -> pl.DataFrame:
    """Rows of one trial; none where it has written none."""
    return rows_of(table, trial_id, store.parts(table, trial_id) or store.parts(table, COMPACTED))


def rows_of(table: str, trial_id: str, files: Sequence[Location]) -> pl.DataFrame:
    """Rows of one trial in some parts of a table. Raises what reading a damaged file raises."""
    if not files:
        return pl.DataFrame(schema=pl.from_arrow(SCHEMAS[table].empty_table()).schema)  # type: ignore[union-attr]
    tables = [pq.read_table(parquet_source(path), filters=[("trial_id", "=", trial_id)]) for path in files]
    found = pl.from_arrow(pa.concat_tables(tables))
    assert isinstance(found, pl.DataFrame)
    return found
