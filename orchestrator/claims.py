"""Who may write a trial: `claims/<trial_id>/<generation>`, made exclusively; the newest generation owns the trial.

A generation is the number of the attempt that it was taken for. The file names its owner and when it expires, and is
renewed by a thread while the attempt lives. A claim is dead when it has expired, or when its owner was a process of
this host that is gone. Whoever finds it dead, or lost the worker that held it, takes the next generation; what the
older one does from then on is refused by its own fence, asked before each part, checkpoint and row. So a claim that
could not be renewed never stops training, and a late writer damages nothing.
"""

import json
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from orchestrator.errors import reason
from orchestrator.store import Store
from trainables.location import Location
from trainables.storage import SupersededError, create_exclusively, overwrite

CLAIMS = "claims"
EXPIRES_S = float(os.environ.get("GRADIENT_COHERENCE_CLAIM_S", "60"))
"""Of all processes on one store alike; less only where a frozen worker is to be taken over sooner."""
RENEW_S = EXPIRES_S / 4

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Owner:
    """Who claims a trial; times are seconds since 1970 UTC. born tells two processes of one id apart; driver is the
    launch that the process works for."""

    host: str
    pid: int
    born: str
    driver: str
    since: float
    expires: float

    @property
    def alive(self) -> bool:
        """Whether this owner may still be at work."""
        if time.time() > self.expires:
            return False
        return self.host != socket.gethostname() or birth(self.pid) == self.born

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


def newest(store: Store, identity: str) -> int | None:
    """The generation that owns the trial; None where nobody claims it."""
    try:
        names = [path.name for path in (store.root / CLAIMS / identity).iterdir()]
    except FileNotFoundError:
        return None
    return max((int(name) for name in names if name.isdigit()), default=None)


def owner_of(store: Store, identity: str) -> Owner | None:
    """The owner of the newest claim, dead or alive; None without one."""
    generation = newest(store, identity)
    return None if generation is None else _read(_path(store, identity, generation))


def held(store: Store, identity: str) -> bool:
    """Whether somebody who may be alive claims the trial."""
    owner = owner_of(store, identity)
    return owner is not None and owner.alive


def free_for(store: Store, identity: str, driver: str) -> bool:
    """Whether a worker of this driver may take the trial: nobody alive has it, or an older worker of that driver."""
    owner = owner_of(store, identity)
    return owner is None or owner.driver == driver or not owner.alive


class Claim:
    """One generation, held by this process. `check` is its fence."""

    def __init__(self, store: Store, identity: str, generation: int, owner: Owner) -> None:
        self.generation, self._store, self._identity, self._owner = generation, store, identity, owner
        self._path = _path(store, identity, generation)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._renew, name=f"claim-{identity}", daemon=True)

    def check(self) -> None:
        """Raises SupersededError unless this is the newest generation."""
        found = newest(self._store, self._identity)
        if found != self.generation:
            raise SupersededError(
                f"trial {self._identity} is no longer ours: generation {found}, not {self.generation}, has it"
            )

    def is_newest(self) -> bool:
        """Whether the trial is still this process's."""
        return newest(self._store, self._identity) == self.generation

    def start(self) -> None:
        """Begin to renew it."""
        self._thread.start()

    def release(self) -> None:
        """Stop renewing, and give the trial back; older generations, which are dead, go too."""
        self._closed.set()
        self._thread.join()
        for path in _files(self._path.parent):
            if int(path.name) <= self.generation:
                path.unlink(missing_ok=True)
        try:
            self._path.parent.rmdir()
        except OSError:
            return  # a newer generation is there, or another process has removed it

    def _renew(self) -> None:
        pause = RENEW_S
        while not self._closed.wait(pause):
            began = time.time()
            self._owner = replace(self._owner, expires=began + EXPIRES_S)
            try:
                overwrite(self._path, _content(self._owner))
            except FileNotFoundError:
                return  # somebody else finished the trial: the fence will say so
            except OSError as error:
                _log.warning("the claim on trial %s could not be renewed: %s", self._identity, reason(error))
            pause = max(0.0, RENEW_S - (time.time() - began))  # what took long is about to expire


@contextmanager
def claimed(store: Store, identity: str, driver: str) -> Iterator[Claim | None]:
    """Hold a trial while the block runs; None where somebody else has it."""
    claim = take(store, identity, driver)
    if claim is None:
        yield None
        return
    claim.start()
    try:
        yield claim
    finally:
        claim.release()


def take(store: Store, identity: str, driver: str) -> Claim | None:
    """The next generation, made for this process; None where somebody else has the trial, or was faster."""
    # Looked at before the owner: who claims the trial after this look makes the same number, and one of us fails.
    attempts, before = store.next_attempt(identity), newest(store, identity)
    generation = max(attempts, -1 if before is None else before + 1)
    owner = None if before is None else _read(_path(store, identity, before))
    if owner is not None and owner.alive and owner.driver != driver:
        return None
    now, pid = time.time(), os.getpid()
    ours = Owner(socket.gethostname(), pid, birth(pid) or "", driver, now, now + EXPIRES_S)
    path = _path(store, identity, generation)
    if not create_exclusively(path, _content(ours)):
        return None
    if store.next_attempt(identity) > generation:  # another began and ended between our looks
        path.unlink(missing_ok=True)
        return None
    return Claim(store, identity, generation, ours)


def birth(pid: int) -> str | None:
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


def _path(store: Store, identity: str, generation: int) -> Location:
    return store.root / CLAIMS / identity / str(generation)


def _files(folder: Location) -> list[Location]:
    try:
        return [path for path in folder.iterdir() if path.name.isdigit()]
    except FileNotFoundError:
        return []


def _content(owner: Owner) -> bytes:
    """Of one length whatever the expiry, so that a renewal overwrites all of it."""
    return json.dumps({**asdict(owner), "since": f"{owner.since:.3f}", "expires": f"{owner.expires:.3f}"}).encode()


def _read(path: Location) -> Owner | None:
    """An unreadable claim counts as one of an unknown owner, valid from when it was written."""
    try:
        found = json.loads(path.read_bytes())
        return Owner(**{**found, "since": float(found["since"]), "expires": float(found["expires"])})
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError):
        return Owner("unknown", 0, "", "unknown", 0.0, path.stat().st_mtime + EXPIRES_S)
