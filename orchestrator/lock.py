"""One driver per store at a time: an owner-and-expiry lock, `<store>/_driver.json`.

The file appears whole (a hard link, which fails where one exists) and is renewed by a daemon thread. A
lock is dead when it has expired or when its owner was a process of this host that is gone; whoever finds
it dead replaces it. Losing the heartbeat never stops a run: a run's results are safe
without it, since every file has one name per attempt and appears whole.
"""

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from orchestrator.errors import UserError, reason

LOCK_FILE = "_driver.json"
EXPIRES_S = 120.0
RENEW_S = 20.0
TICKET_S = 10.0


@dataclass(frozen=True)
class Owner:
    """Who drives a store; times are seconds since 1970 UTC. `born` tells two processes of one id apart."""

    host: str
    pid: int
    born: str
    nonce: str
    since: float
    expires: float

    @property
    def alive(self) -> bool:
        """Whether this owner may still be at work."""
        if time.time() > self.expires:
            return False
        return self.host != socket.gethostname() or _birth(self.pid) == self.born


def read_owner(store: Path) -> Owner | None:
    """Who holds the lock, dead or alive; None without a lock or with one that nobody can have written."""
    try:
        return Owner(**json.loads((store / LOCK_FILE).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        return Owner("unknown", 0, "", "", 0.0, (store / LOCK_FILE).stat().st_mtime + EXPIRES_S)


def live_driver_since(store: Path) -> float | None:
    """When the driver that is at work took the lock; None without one."""
    owner = read_owner(store)
    return owner.since if owner and owner.alive else None


class DriverLock:
    """Held while a driver runs: `with DriverLock(store, note): ...`. Raises UserError where another is alive."""

    def __init__(self, store: Path, note: Callable[[str], None]) -> None:
        self._store, self._path, self._note = store, store / LOCK_FILE, note
        now, pid = time.time(), os.getpid()
        self._owner = Owner(socket.gethostname(), pid, _birth(pid) or "", uuid.uuid4().hex, now, now + EXPIRES_S)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="driver-lock", daemon=True)

    def __enter__(self) -> Self:
        try:
            while not (self._make() or self._take_over()):
                pass  # the lock changed hands between two looks
        except OSError as error:
            raise UserError(
                f"store {self._store} cannot be locked: {reason(error)}; choose another --store."
            ) from error
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        self._thread.join()
        if self._is_ours():
            self._path.unlink(missing_ok=True)

    def _make(self) -> bool:
        temporary = self._written()
        try:
            os.link(temporary, self._path)
        except FileExistsError:
            return False
        finally:
            temporary.unlink()
        return True

    def _written(self) -> Path:
        temporary = self._path.with_name(f"{LOCK_FILE}.tmp-{self._owner.nonce}")
        temporary.write_text(json.dumps(asdict(self._owner)), encoding="utf-8")
        return temporary

    def _take_over(self) -> bool:
        """Replace a dead lock. Of those that find it dead, only the one that makes its ticket may."""
        owner = read_owner(self._store)
        if owner is None:
            return False
        if owner.alive:
            raise UserError(_refusal(self._store, owner))
        ticket = self._path.with_name(f"{LOCK_FILE}.taken-from-{owner.nonce or 'nobody'}")
        try:
            ticket.touch(exist_ok=False)
        except FileExistsError:
            self._refuse_or_drop(ticket)
            return False
        try:
            if read_owner(self._store) != owner:
                return False
            self._written().replace(self._path)
        finally:
            ticket.unlink(missing_ok=True)
        return True

    def _refuse_or_drop(self, ticket: Path) -> None:
        """A ticket lives for a moment; an old one is of a driver killed in that moment."""
        try:
            age = time.time() - ticket.stat().st_mtime
        except FileNotFoundError:
            return
        if age < TICKET_S:
            raise UserError(f"store {self._store} is being taken by another driver this moment; wait for it.")
        ticket.unlink(missing_ok=True)

    def _renew(self) -> None:
        while not self._closed.wait(RENEW_S):
            try:
                if not self._is_ours():
                    self._note("another driver took this store's lock; this run goes on, results stay whole")
                    return
                self._owner = Owner(**{**asdict(self._owner), "expires": time.time() + EXPIRES_S})
                self._written().replace(self._path)
            except OSError as error:
                self._note(f"the store's lock could not be renewed ({reason(error)}); the run goes on")

    def _is_ours(self) -> bool:
        owner = read_owner(self._store)
        return owner is not None and owner.nonce == self._owner.nonce


def _refusal(store: Path, owner: Owner) -> str:
    left = max(owner.expires - time.time(), 0.0)
    return (
        f"store {store} is driven by process {owner.pid} on {owner.host}; wait for it, or use another --store"
        f" (a lock that is not renewed expires, this one in {left:.0f} s)."
    )


def _birth(pid: int) -> str | None:
    """What tells this process from an earlier one of the same id; None where there is no such process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass  # it exists and belongs to somebody else
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():
        return "unknown"
    return stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
