"""One Parquet file of a store, looked at as a whole: footer, declared columns, schema version, every page."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from orchestrator.errors import one_line
from orchestrator.reading import DAMAGE
from trainables.location import Location, parquet_source
from trainables.records import SCHEMA_VERSION, SCHEMAS

_KNOWN = {str(version) for version in range(1, SCHEMA_VERSION + 1)}


class UnreadableError(Exception):
    """The bytes are not those of a Parquet file that was written to its end."""


class ForeignColumnsError(Exception):
    """A file of this schema version with other columns than the declared ones."""


class UnknownVersionError(Exception):
    """A file that does not say its schema version, or one that this version does not know."""


def read_checked(path: Location, table: str, keep: Sequence[str]) -> pa.Table:
    """The columns `keep` of a file, of which every page of every column was decoded and held against its checksum."""
    try:
        with pq.ParquetFile(parquet_source(path), page_checksum_verification=True) as file:
            _check_schema(file.schema_arrow, table)
            groups = (file.read_row_group(number, use_threads=False) for number in range(file.num_row_groups))
            kept = [group.select(list(keep)) for group in groups]
            return pa.concat_tables(kept) if kept else SCHEMAS[table].empty_table().select(list(keep))
    except FileNotFoundError:
        raise
    except DAMAGE as error:
        raise UnreadableError(one_line(str(error) or type(error).__name__, 120)) from error


def _check_schema(found: pa.Schema, table: str) -> None:
    version = (found.metadata or {}).get(b"schema_version", b"").decode(errors="replace")
    if version not in _KNOWN:
        raise UnknownVersionError(
            f"schema_version {version!r} in its metadata; this version reads 1 to {SCHEMA_VERSION}"
        )
    ours, declared = _columns(found), _columns(SCHEMAS[table])
    if ours != declared:
        differing = sorted({name for name, _ in set(ours) ^ set(declared)})
        raise ForeignColumnsError(f"columns differ from the declared ones: {', '.join(differing) or 'another order'}")


def _columns(schema: pa.Schema) -> list[tuple[str, str]]:
    """Names and types; polars writes large strings, which count as strings."""
    kinds = [str(kind).removeprefix("large_").removesuffix("_view") for kind in schema.types]
    return list(zip(schema.names, kinds, strict=True))
