"""What can be wrong with a store: one finding each, with what to do about it."""

import re
import time
from dataclasses import dataclass
from typing import Literal

from orchestrator.store import Store
from trainables.location import Location, relative

Kind = Literal["unreadable", "schema", "identity", "rows", "orphan", "leftover", "open-attempt", "stray"]
Remedy = Literal["delete", "forget", "close"]

OLD_S = 3600.0
"""Seconds after which nobody can still be writing a temporary file."""

TEMPORARY = re.compile(r".+\.tmp(-.*)?|.+\.taken-from-.*")


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong. path: within the store. remedy: what `--repair` does about it; None leaves it."""

    path: str
    kind: Kind
    why: str
    advice: str
    trial_id: str | None = None
    remedy: Remedy | None = None
    attempt: int | None = None

    @property
    def line(self) -> str:
        """As the command prints it."""
        return f"{self.path}: {self.kind}: {self.why}; {self.advice}"


def within(store: Store, path: Location) -> str:
    """A path as a finding names it."""
    return relative(path, store.root)


def is_old(path: Location) -> bool:
    """Whether a temporary file was left behind; one that has gone was not."""
    try:
        return time.time() - path.stat().st_mtime > OLD_S
    except FileNotFoundError:
        return False
