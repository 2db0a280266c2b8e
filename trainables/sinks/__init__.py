"""Sinks by name, for `coherence run --sink`: where a trial's rows go as well, beside the store. Torch-free.

No part of a spec: a sink changes no number and has no say in what is done. `facts` is None.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator

from trainables.registry import Choice, Entry, with_plugins


def _absolute(folder: str) -> str:
    return str(Path(folder).absolute())


class JsonLines(Choice):
    """One file `<trial>-<attempt>.jsonl` of JSON lines in `folder`, a line a row with its `table`, grown at each
    checkpoint: for `tail -f` and for programs that do not read Parquet."""

    name: Literal["json-lines"]
    folder: Annotated[str, AfterValidator(_absolute)]


SINKS = with_plugins(
    "sinks", {"json-lines": Entry(JsonLines, "trainables.sinks.json_lines:build", "rows as lines of JSON")}
)
