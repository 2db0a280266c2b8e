"""Which runs were sent where: one JSON line a run in `<store>/wandb/pushed.jsonl`, only ever appended to."""

import json
import os

from trainables.location import Location
from trainables.remote import RemotePath

Key = tuple[str, str, str | None, str]
"""(mode, project, entity, trial id)."""

FIELDS = ("mode", "project", "entity", "trial_id")


class Ledger:
    """Remembers what was pushed, across processes. A line that a kill cut short counts as not pushed."""

    def __init__(self, store: Location) -> None:
        self._path = store / "wandb" / "pushed.jsonl"

    def read(self) -> set[Key]:
        """Everything pushed so far."""
        if not self._path.exists():
            return set()
        found = set()
        for line in self._path.read_text(encoding="utf-8").splitlines():
            try:
                content = json.loads(line)
                found.add((content["mode"], content["project"], content["entity"], content["trial_id"]))
            except (ValueError, KeyError, TypeError):
                continue
        return found

    def add(self, key: Key) -> None:
        """Remember one run, durably."""
        line = json.dumps(dict(zip(FIELDS, key, strict=True)), sort_keys=True)
        if isinstance(self._path, RemotePath):
            _append(self._path, line.encode() + b"\n")
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab+") as file:
            torn = file.tell() > 0 and not self._path.read_bytes().endswith(b"\n")
            file.write(("\n" if torn else "").encode() + line.encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())


def _append(path: RemotePath, line: bytes) -> None:
    """Objects cannot be appended to: put all of it, unless somebody else has meanwhile."""
    while True:
        tag = path.tag()
        done = path.write_new(line) if tag is None else path.write_over(path.read_bytes() + line, tag)
        if done is not None:
            return
