"""Reading single Parquet files so that a damaged one is named and the rest is read."""

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from trainables.location import Location, parquet_source

_MAGIC = b"PAR1"
DAMAGE = (pa.ArrowException, OSError, ValueError)
"""What reading a damaged file raises."""


class Damage:
    """Collects the files that could not be read, each once."""

    def __init__(self) -> None:
        self._found: dict[Location, str] = {}

    def __iter__(self) -> Iterator[str]:
        return (f"{path}: damaged: {why}" for path, why in sorted(self._found.items(), key=str))

    def __len__(self) -> int:
        return len(self._found)

    def add(self, path: Location, why: str) -> None:
        """Remember a damaged file."""
        self._found.setdefault(path, " ".join(why.split()))

    def rows(self, path: Location, columns: Sequence[str]) -> list[dict[str, Any]]:
        """Rows of one file; none, and the file remembered, where it cannot be read."""
        try:
            with pq.ParquetFile(parquet_source(path)) as file:
                return file.read(columns=list(columns), use_threads=False).to_pylist()
        except FileNotFoundError:
            return []
        except DAMAGE as error:
            self.add(path, str(error))
            return []

    def check_ends(self, path: Location) -> None:
        """A cheap look for cut or zeroed files: Parquet begins and ends with the same four bytes."""
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(size - 4, 0))
            tail = file.read(4)
            file.seek(0)
            if size < 12 or tail != _MAGIC or file.read(4) != _MAGIC:
                self.add(path, "cut short or overwritten; delete the trial's folder in `trials` to run it again")
