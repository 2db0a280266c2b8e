"""From which checkpoint a trial goes on: the newest one whose parts are those that it remembers.

A late writer of an older attempt may have left a checkpoint, or put a part in the place of another, in the moment in
which it lost the trial. Parts and checkpoints name their attempt, so that such a file is found, and costs the work
since the checkpoint before.
"""

import errno
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from orchestrator.reading import DAMAGE
from orchestrator.store import Store
from trainables.location import Location, each
from trainables.records import PARTED, part_number
from trainables.sink import Written
from trainables.storage import Fence, remove

if TYPE_CHECKING:
    from trainables.checkpoint import CheckpointFolder


class OverwrittenError(OSError):
    """A trial's parts are not the ones that were written."""

    def __init__(self, text: str) -> None:
        super().__init__(errno.EIO, text)


def go_back(store: Store, identity: str, checkpoints: "CheckpointFolder", fence: Fence | None = None) -> Written:
    """Drop checkpoints that cannot be gone on from, and parts beyond the newest other one; the parts that stay. fence:
    asked before each part is deleted."""
    kept: Written = {}
    while (k := checkpoints.newest()) is not None:
        parts = checkpoints.parts(k)
        if parts is None:  # saved before checkpoints remembered their parts
            kept = _on_disk(store, identity, k)
            break
        if wrong_part(store, identity, parts) is None:
            kept = parts
            break
        checkpoints.drop(k)
    store.delete_parts_beyond(identity, k, fence)
    return kept


def settle(store: Store, identity: str, written: Written, fence: Fence | None = None) -> None:
    """Before a trial is done: its parts are those that were written, and there are no others. fence: as there."""
    if (wrong := wrong_part(store, identity, written)) is not None:
        raise OverwrittenError(f"{wrong} of trial {identity} is not what was written; the trial goes back")
    for table in PARTED:
        for path in store.parts(table, identity):
            if f"{table}/{path.name}" not in written:
                remove(path, fence)


def wrong_part(store: Store, identity: str, written: Written) -> str | None:
    """The first part that is missing, unreadable, of another attempt or of another length; None if all are right."""

    def is_wrong(name: str) -> bool:
        table, _, file = name.partition("/")
        try:
            return _footer(store.root / table / identity / file) != tuple(written[name])
        except DAMAGE as error:
            if isinstance(error, OSError) and error.errno not in (None, errno.ENOENT):
                raise  # the mount is ill, not the part
            return True

    looked = zip(written, each(is_wrong, written, store.root), strict=True)
    return next((name for name, wrong in looked if wrong), None)


def _on_disk(store: Store, identity: str, last: int) -> Written:
    paths = [(table, path) for table in PARTED for path in store.parts(table, identity)]
    return {f"{table}/{path.name}": _footer(path) for table, path in paths if part_number(path) <= last}


def _footer(path: Location) -> tuple[int, int]:
    """Which attempt wrote a part, and how many rows."""
    with path.open("rb") as file, pq.ParquetFile(file) as opened:
        return int((opened.metadata.metadata or {}).get(b"attempt", b"0")), opened.metadata.num_rows
