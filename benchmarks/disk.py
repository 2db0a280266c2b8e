"""A file system of a campaign's own, that can be filled and made read-only while a sweep writes to it.

A tmpfs, in a mount namespace that ends with the process: nothing is left mounted, however the campaign ends. Needs
root on Linux.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

OWN_MOUNTS = "GRADIENT_COHERENCE_OWN_MOUNTS"
BALLAST = "ballast"
AGREES_S = 20.0
"""Seconds that the kernel is asked for."""


def in_own_mounts(module: str) -> None:
    """Begin this process again as `python -m MODULE` with the same arguments, in a mount namespace of its own."""
    if os.environ.get(OWN_MOUNTS) != module:
        os.environ[OWN_MOUNTS] = module
        command = ["unshare", "--mount", "--propagation", "private", sys.executable, "-m", module, *sys.argv[1:]]
        os.execvp(command[0], command)


def may_mount() -> bool:
    """Whether this process can have a `Disk`."""
    return sys.platform == "linux" and os.geteuid() == 0


class Disk:
    """An empty file system of `mib` MiB at `folder`, which is made."""

    def __init__(self, folder: Path, mib: int) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", folder], check=True)

    def full(self, seconds: float, enough: Callable[[], bool] = lambda: False) -> None:
        """Take up what is free, and whatever becomes free, for so long, or until `enough`."""
        ballast = self.folder / BALLAST
        ends = time.monotonic() + seconds
        try:
            with ballast.open("wb") as file:
                while time.monotonic() < ends and not enough():
                    _take_up(file.fileno())
                    time.sleep(0.05)
        finally:
            ballast.unlink()

    def read_only(self, seconds: float, enough: Callable[[], bool] = lambda: False) -> bool:
        """Refuse every write for so long, or until `enough`; False where the kernel refuses that, since files stay open
        for writing."""
        return read_only_for(seconds, lambda options: ["mount", "-o", options, str(self.folder)], "", enough)

    def remove(self) -> None:
        """Unmount it; the folder stays, empty."""
        subprocess.run(["umount", self.folder], check=True)


def read_only_for(
    seconds: float, mount: Callable[[str], list[str]], kind: str, enough: Callable[[], bool] = lambda: False
) -> bool:
    """Remount read-only for a while. mount: the command for these options. kind: `bind,` for one mount of several of a
    file system. The kernel agrees only between two files that are open for writing: False where that never is."""
    ends = time.monotonic() + AGREES_S
    while subprocess.run(mount(f"remount,{kind}ro"), check=False, stderr=subprocess.DEVNULL).returncode:
        if time.monotonic() > ends:
            return False
        time.sleep(0.01)
    ends = time.monotonic() + seconds
    while time.monotonic() < ends and not enough():
        time.sleep(0.05)
    subprocess.run(mount(f"remount,{kind}rw"), check=True)
    return True


def _take_up(file: int) -> None:
    """Allocate in ever smaller pieces until not one page is left."""
    piece = 2**26
    while piece >= 4096:
        try:
            os.posix_fallocate(file, os.fstat(file).st_size, piece)
        except OSError:
            piece //= 2
