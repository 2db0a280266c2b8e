"""Where a trial's rows go: Parquet parts, a list in memory, or several sinks at once."""

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from trainables.location import Location, each
from trainables.records import PARTED, part_path, write_part
from trainables.storage import Fence

Row = Mapping[str, Any]


class Sink(ABC):
    """Takes rows as they are measured; `flush` makes them durable as part k, before checkpoint k is saved."""

    @abstractmethod
    def write(self, table: str, rows: Iterable[Row]) -> None:
        """Take rows of one of the tables in `records.PARTED`, without `trial_id`."""

    @abstractmethod
    def flush(self, part: int, metadata: Mapping[str, str]) -> None:
        """Make everything written since the last flush durable as part `part`."""


class ListSink(Sink):
    """Keeps rows in memory, for tests and notebooks: `sink.rows["steps"]`."""

    def __init__(self) -> None:
        self.rows: dict[str, list[dict[str, Any]]] = defaultdict(list)

    def write(self, table: str, rows: Iterable[Row]) -> None:
        """Keep the rows."""
        self.rows[table].extend(dict(row) for row in rows)

    def flush(self, part: int, metadata: Mapping[str, str]) -> None:
        """Nothing to do."""
        del part, metadata


class TeeSink(Sink):
    """Hands every call to each of its sinks, in order."""

    def __init__(self, *sinks: Sink) -> None:
        self._sinks = sinks

    def write(self, table: str, rows: Iterable[Row]) -> None:
        """Write to each."""
        kept = list(rows)
        for sink in self._sinks:
            sink.write(table, kept)

    def flush(self, part: int, metadata: Mapping[str, str]) -> None:
        """Flush each."""
        for sink in self._sinks:
            sink.flush(part, metadata)


Written = dict[str, tuple[int, int]]
"""`<table>/part-<k>.parquet` -> (attempt that wrote it, rows): what a trial's curves consist of."""


def unfenced() -> None:
    """The fence of a writer that nobody can supersede."""


class ParquetSink(Sink):
    """Buffers rows and writes `<store>/<table>/<trial_id>/part-<k>.parquet` at each flush.

    A table without rows since the last flush gets no file. `attempt` enters the temporary names and
    the metadata of each file. A flush raises SupersededError, and leaves nothing, once the fence says that a newer
    attempt has begun. written: the parts so far, those of earlier attempts included where they were given.
    """

    def __init__(
        self, store: Location, trial_id: str, attempt: int, fence: Fence = unfenced, written: Written | None = None
    ) -> None:
        self._store, self._trial_id, self._attempt, self._fence = store, trial_id, attempt, fence
        self.written: Written = {} if written is None else written
        self._rows: dict[str, list[dict[str, Any]]] = defaultdict(list)

    def write(self, table: str, rows: Iterable[Row]) -> None:
        """Buffer the rows."""
        if table not in PARTED:
            raise ValueError(f"a trial does not write table {table!r}; expected one of {', '.join(PARTED)}")
        self._rows[table].extend({"trial_id": self._trial_id, **row} for row in rows)

    def flush(self, part: int, metadata: Mapping[str, str]) -> None:
        """Write the buffered rows as part `part` of their tables."""
        content = {**metadata, "attempt": str(self._attempt), "part": str(part)}
        taken = [(table, rows) for table in PARTED if (rows := self._rows.pop(table, None))]

        def write(one: tuple[str, list[dict[str, Any]]]) -> tuple[str, int]:
            table, rows = one
            path = part_path(self._store, table, self._trial_id, part)
            write_part(path, table, rows, content, tag=str(self._attempt), fence=self._fence)
            return f"{table}/{path.name}", len(rows)

        for name, length in each(write, taken, self._store):
            self.written[name] = (self._attempt, length)
