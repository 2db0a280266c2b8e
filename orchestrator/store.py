"""The store's folder: recognising it, making it, and finding what is in it by existence.

`_store.json` makes a folder a store. The store is the truth about what is done: a trial is done when
its `trials` row exists and can be read.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress

from orchestrator.conditions import require_conditions
from orchestrator.errors import UserError, reason
from trainables.location import Location, LocationError, locate, remove_tree
from trainables.records import PARTED, READABLE_VERSIONS, SCHEMA_VERSION, STORE_FILE, part_number, part_path
from trainables.remote import RemotePath
from trainables.storage import Fence, publish, remove, sync_folder

FORMAT = "gradient-coherence"
COMPACTED = "compacted"
_PART = re.compile(r"part-\d+\.parquet")


class Store:
    """A folder or prefix that is known to be a store; `exists` is false for one that a run would still make."""

    def __init__(self, root: Location, *, exists: bool = True) -> None:
        self.root = root
        self.exists = exists

    def checkpoints(self, trial_id: str) -> Location:
        """Folder of a trial's checkpoints."""
        return self.root / "checkpoints" / trial_id

    def trial_file(self, trial_id: str) -> Location:
        """The file whose existence means that the trial is done."""
        return part_path(self.root, "trials", trial_id, 0)

    def attempt_file(self, trial_id: str, attempt: int) -> Location:
        """The row of one attempt."""
        return part_path(self.root, "attempts", trial_id, attempt)

    def parts(self, table: str, trial_id: str) -> list[Location]:
        """Part files of a trial in a table, in order."""
        found = (self.root / table / trial_id).glob("part-*.parquet")
        return sorted([path for path in found if _PART.fullmatch(path.name)], key=part_number)

    def next_attempt(self, trial_id: str) -> int:
        """Number of the attempt that would start now."""
        numbers = [part_number(path) for path in self.parts("attempts", trial_id)]
        return max(numbers, default=-1) + 1

    def delete_parts_beyond(self, trial_id: str, last: int | None, fence: Fence | None = None) -> None:
        """Delete a trial's curve parts after part `last` (all, if None) and what killed writers left behind; fence: as
        in `storage.remove`."""
        for table in PARTED:
            for path in (self.root / table / trial_id).glob("part-*"):
                if last is None or not _PART.fullmatch(path.name) or part_number(path) > last:
                    remove(path, fence)  # a late writer may be taking it away as well

    def forget(self, trial_id: str) -> None:
        """Undo a finished trial, so that it runs again from the beginning; the rows of its attempts stay.

        Checkpoints first, which a finished trial needs no more: nothing could resume from them; and what it came to at
        the rungs of early stopping, which is its own no more. Then the `trials` row, which makes the trial pending.
        Then its parts, which the next attempt would delete as well. A kill between any two leaves it either done as
        before or pending.
        """
        self.clear_checkpoints([trial_id])
        for path in (self.root / "rungs").glob(f"*/*/{trial_id}.json"):
            path.unlink(missing_ok=True)
        self.trial_file(trial_id).unlink()
        sync_folder(self.trial_file(trial_id).parent)
        self.delete_parts_beyond(trial_id, None)

    def clear_checkpoints(self, trial_ids: Iterable[str]) -> None:
        """Delete checkpoints that a kill left behind after the trial was done."""
        for trial_id in trial_ids:
            with suppress(FileNotFoundError):  # none, or another driver is deleting them as well
                remove_tree(self.checkpoints(trial_id))

    def trial_folders(self, table: str) -> Iterator[str]:
        """Names of the folders of a table: trial ids, and `compacted` in a compacted copy."""
        folder = self.root / table
        if folder.is_dir():
            yield from sorted(path.name for path in folder.iterdir() if path.is_dir())


def open_store(place: str | Location) -> Store:
    """The store at a place, or one that does not exist yet where nothing or an empty folder is. Writes nothing."""
    path = located(place)
    marker = path / STORE_FILE
    try:
        if isinstance(path, RemotePath):
            path.reach()
        if not path.exists():
            return Store(path, exists=False)
        if not path.is_dir():
            raise UserError(f"store {path} is a file, expected a folder; choose another --store.")
        if not marker.exists():
            if next(path.iterdir(), None) is None:
                return Store(path, exists=False)
            raise UserError(f"{path} is not a store: it holds files but no {STORE_FILE}; choose another --store.")
        _check_version(path, marker.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"store {path} cannot be read: {reason(error)}; choose another --store.") from error
    return Store(path)


def create_store(place: str | Location) -> Store:
    """Open the store at `path` for writing, making it where there is none; one of an older version becomes this one's,
    which takes no more than saying so."""
    store = open_store(place)
    path = store.root
    try:
        path.mkdir(parents=True, exist_ok=True)
        _require_writable(path)
        known = json.loads((path / STORE_FILE).read_text(encoding="utf-8")) if store.exists else {"format": FORMAT}
        if known.get("schema_version") != SCHEMA_VERSION:
            text = json.dumps({**known, "schema_version": SCHEMA_VERSION}) + "\n"
            publish(path / STORE_FILE, lambda file: file.write(text.encode()), tag=str(os.getpid()))
    except OSError as error:
        raise UserError(f"store {path} cannot be written: {reason(error)}; choose another --store.") from error
    return Store(path)


def _require_writable(path: Location) -> None:
    if isinstance(path, RemotePath):
        require_conditions(path)
        return
    probe = path / "_writable.tmp"
    probe.touch()
    probe.unlink(missing_ok=True)  # another driver may be looking as well


def located(place: str | Location) -> Location:
    """Where a store is, from what the user gave; raises UserError for an address of no store."""
    try:
        return locate(place)
    except LocationError as error:
        raise UserError(f"store: {error}") from error


def _check_version(path: Location, text: str) -> None:
    try:
        content = json.loads(text)
        version = content["schema_version"]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f'{path / STORE_FILE} is damaged; write {{"schema_version": {SCHEMA_VERSION}}} into it.'
        ) from error
    if version not in READABLE_VERSIONS:
        newer = isinstance(version, int) and version > SCHEMA_VERSION
        advice = "update gradient-coherence" if newer else "choose another --store"
        known = " and ".join(map(str, READABLE_VERSIONS))
        raise UserError(f"store {path} has schema version {version}, this version reads {known}; {advice}.")
