"""json-lines: rows as lines of JSON, one file an attempt; numbers that are not finite are null."""

import json
from collections.abc import Iterable, Mapping
from math import isfinite
from pathlib import Path
from typing import Any

from trainables.sink import Row, Sink
from trainables.sinks import JsonLines
from trainables.sinks.interface import SinkTrial


class JsonLinesSink(Sink):
    """Buffers lines and appends them at each flush."""

    def __init__(self, path: Path) -> None:
        self._path, self._lines = path, list[str]()

    def write(self, table: str, rows: Iterable[Row]) -> None:
        """Buffer the rows."""
        self._lines += [json.dumps({"table": table, **_finite(row)}) + "\n" for row in rows]

    def flush(self, part: int, metadata: Mapping[str, str]) -> None:
        """Append what was buffered."""
        del part, metadata
        with self._path.open("a", encoding="utf-8") as file:
            file.writelines(self._lines)
        self._lines.clear()


def _finite(row: Row) -> dict[str, Any]:
    return {key: None if isinstance(value, float) and not isfinite(value) else value for key, value in row.items()}


def build(choice: JsonLines, trial: SinkTrial) -> JsonLinesSink:
    """A file of this attempt's own."""
    folder = Path(choice.folder)
    folder.mkdir(parents=True, exist_ok=True)
    return JsonLinesSink(folder / f"{trial.trial_id}-{trial.attempt}.jsonl")
