"""A control group with a limit on memory of its own, as a container has: a campaign leaves other programs alone.

Ray's memory monitor reads the limit and the use of the group at /sys/fs/cgroup, so the group is mounted there, in this
process's own mount namespace (`benchmarks.disk.in_own_mounts`). Root on Linux.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path("/sys/fs/cgroup")
EATER = """
import sys
taken = []
for line in sys.stdin:
    taken.append(bytearray(b"x") * int(line))
    print("taken", flush=True)
"""


def missing() -> str | None:
    """Why this machine cannot limit a group's memory; None if it can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "a group with a memory limit needs root on Linux"
    controllers = ROOT / "cgroup.controllers"
    if (ROOT / "memory" / "memory.limit_in_bytes").exists():
        return None
    if controllers.exists() and "memory" in controllers.read_text().split():
        return None
    return f"no memory controller at {ROOT}"


@contextmanager
def limited(mib: int) -> Iterator["Group"]:
    """This process and what it starts may use so much memory together, while the block runs."""
    group = Group(mib)
    group.enter()
    try:
        yield group
    finally:
        group.leave()


class Group:
    """A group of version 1 or 2 with a limit in MiB."""

    def __init__(self, mib: int) -> None:
        first = (ROOT / "memory").is_dir()
        self._top = ROOT / "memory" if first else ROOT
        self._own = self._top / f"coherence-{os.getpid()}"
        self._limit, self._used, self._cache = (
            ("memory.limit_in_bytes", "memory.usage_in_bytes", ("total_active_file", "total_inactive_file"))
            if first
            else ("memory.max", "memory.current", ("active_file", "inactive_file"))
        )
        self.bytes = mib * 2**20

    def enter(self) -> None:
        """Put this process into it, and show it as if it were the machine's."""
        self._own.mkdir()
        (self._own / self._limit).write_text(str(self.bytes))
        (self._own / "cgroup.procs").write_text(str(os.getpid()))
        subprocess.run(["mount", "--bind", self._own, self._top], check=True)

    def leave(self) -> None:
        """Show the machine's again, go back there and remove the group; processes that are left in it go along."""
        subprocess.run(["umount", self._top], check=True)
        for pid in (self._own / "cgroup.procs").read_text().split():
            try:
                (self._top / "cgroup.procs").write_text(pid)
            except ProcessLookupError:
                continue  # it ended meanwhile
        self._own.rmdir()

    def used(self) -> int:
        """Bytes in use, without the cache of files, as Ray counts."""
        stat = dict(line.split() for line in (self._top / "memory.stat").read_text().splitlines())
        return int((self._top / self._used).read_text()) - sum(int(stat[name]) for name in self._cache)

    def processes(self) -> list[int]:
        """What runs in it."""
        return list(map(int, (self._top / "cgroup.procs").read_text().split()))


class Eater:
    """A program that takes memory, piece by piece, and gives it back when the block ends."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-c", EATER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def take(self, size: int) -> None:
        """So many bytes more."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{size}\n")
        self._process.stdin.flush()
        self._process.stdout.readline()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()
