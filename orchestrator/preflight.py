"""Before the first trial: can every node run this sweep, with this process's sources and on this very store?

Each node looks at itself (`look`) and leaves a note in a folder of the store; this process reads the notes back and
judges the reports. `look` and what it calls import nothing of the distribution and travel by value, as a node may see
other packages, or none; only a note in an object store is written by the node's own packages.
"""

import errno
import os
import platform
import shutil
import socket
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from orchestrator.packages import Seen, difference, module_digest, seen_here
from orchestrator.resources import ClusterError
from trainables.location import Location, remove_tree

VERSIONS = ("torch", "numpy", "pyarrow", "ray")
"""Packages whose version must be the same everywhere, beside Python's own."""

NO_PLUGINS: Mapping[str, str] = {}

SKEW_S = 10.0
"""Clocks further apart than this would let a claim on a trial expire, or outlive its owner."""

FOLDER = "preflight-"
"""The folder of notes in the store begins so; it is gone when the sweep begins."""

REMOTE_SHARE = (
    "Give every node the endpoint and keys of the object store (AWS_* or ~/.aws) before Ray is started on it."
)

FREE_BYTES = 2**30
"""Free space below which no sweep begins; what the sweep needs `coherence plan` says."""

ROOM = "Make room; `coherence plan` says what the sweep needs."
SHARE = "Give a --store on storage that every node sees under the same path, mounted for writing."


@dataclass(frozen=True)
class Look:
    """What a node says of itself. unwritable: why it could not write to the store; free_bytes: None
    without a store, and of an object store."""

    host: str
    sources: Seen
    versions: dict[str, str]
    clock: float
    unwritable: str | None
    free_bytes: int | None


@dataclass(frozen=True)
class NodeReport:
    """A node's look at itself, when this process asked and had the answer by its own clock, and the note it read."""

    node: str
    look: Look
    asked: float
    answered: float
    note_read: str | None

    @property
    def name(self) -> str:
        """`node 1a2b3c4d (gpu-7)`."""
        return f"node {self.node[:8]} ({self.look.host})"

    @property
    def skew_s(self) -> float:
        """Seconds by which the node's clock is off at least: the answer took its time on the way."""
        return max(self.asked - self.look.clock, self.look.clock - self.answered, 0.0)


def look(node: str, folder: str, plugins: Mapping[str, str] = NO_PLUGINS) -> Look:
    """Leave a note with the node's id in `folder`, a folder of the store, and say what this process sees. plugins:
    distributions that the trials need, with their modules."""
    unwritable, free = None, None
    try:
        if "://" in folder:
            _put(folder, node)
        else:
            free = shutil.disk_usage(folder).free
            _write(folder, node)
    except OSError as error:
        unwritable = error.strerror or str(error)
    except ImportError as error:  # a node with other packages, of which it is told first, or without obstore
        unwritable = str(error)
    return Look(socket.gethostname(), seen_here(), versions(plugins), time.time(), unwritable, free)


def _write(folder: str, node: str) -> None:
    with (Path(folder) / node).open("w") as note:
        note.write(node)
        note.flush()
        os.fsync(note.fileno())


def _put(folder: str, node: str) -> None:
    from trainables.location import locate  # the node's own
    from trainables.remote import RemotePath

    place = locate(folder)
    if isinstance(place, RemotePath):
        place.reach()  # within seconds, where keys or endpoint are missing
    (place / node).write_text(node, encoding="utf-8")


def versions(plugins: Mapping[str, str] = NO_PLUGINS) -> dict[str, str]:
    """Versions of Python and of what the numbers depend on, and of plugins with a digest of their sources; `none` for
    what is not installed."""
    found = {"python": platform.python_version()}
    for name in VERSIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "none"
    for name, module in plugins.items():
        try:
            found[name] = f"{version(name)} ({(module_digest(module) or 'no sources')[:12]})"
        except PackageNotFoundError:
            found[name] = "none"
    return found


@contextmanager
def notes_in(store: Location) -> Iterator[Location]:
    """A folder of the store for the notes, gone afterwards."""
    folder = store / f"{FOLDER}{uuid.uuid4().hex[:8]}"
    folder.mkdir()
    try:
        yield folder
    finally:
        remove_tree(folder)


def note_in(folder: Location, node: str) -> str | None:
    """The note that a node has left in `folder`, as this process reads it; None if there is none."""
    path = folder / node
    return path.read_text() if path.exists() else None


def judge(reports: Sequence[NodeReport], sources: Seen, here: dict[str, str], store: str) -> None:
    """Refuse a cluster on which a trial would fail or mislead: ClusterError with the node and what to do.

    sources, here: of this process. The first fault found is told.
    """
    for report in reports:
        fault = (
            _other_sources(report, sources)
            or other_versions(report.look.versions, here)
            or _store_fault(report, store)
            or _wrong_clock(report)
        )
        if fault:
            raise ClusterError(f"{report.name} {fault}")


def _other_sources(report: NodeReport, sources: Seen) -> str | None:
    return difference(sources, report.look.sources)


def judge_data(name: str, lacking: Sequence[str]) -> None:
    """Refuse a cluster with a node that cannot load the sweep's data: ClusterError with the node (`name`), the first
    data set that it lacks, by its own words, and what to do."""
    if lacking:
        more = f" {len(lacking) - 1} more of the sweep's data sets are missing there." if len(lacking) > 1 else ""
        raise ClusterError(f"{name} cannot load what the sweep reads: {lacking[0]}{more}")


def other_versions(there: Mapping[str, str], here: Mapping[str, str]) -> str | None:
    """How a node's versions differ from those of the process that starts the sweep; None if they are the same."""
    differing = [f"{name} {there.get(name)} (here {here[name]})" for name in here if there.get(name) != here[name]]
    if not differing:
        return None
    return f"has other versions than the driver: {', '.join(differing)}. Install the same ones on every node."


def _store_fault(report: NodeReport, store: str) -> str | None:
    share = REMOTE_SHARE if "://" in store else SHARE
    if why := report.look.unwritable:
        remedy = ROOM if why in (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT)) else share
        return f"cannot write to the store {store}: {why}. {remedy}"
    if report.note_read != report.node:
        return f"wrote to the store {store}, and this process does not see it: the two are not the same. {share}"
    free = report.look.free_bytes
    if free is not None and free < FREE_BYTES:
        return (
            f"sees {free / 2**20:,.0f} MiB free in the store {store}, expected at least {FREE_BYTES / 2**20:,.0f} MiB."
            f" {ROOM}"
        )
    return None


def _wrong_clock(report: NodeReport) -> str | None:
    if report.skew_s <= SKEW_S:
        return None
    return (
        f"has a clock that differs from this process's by at least {report.skew_s:.0f} s, expected at most"
        f" {SKEW_S:.0f} s. Synchronise the clocks (chrony, systemd-timesyncd)."
    )
