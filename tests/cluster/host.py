"""One host: Linux namespaces for network, processes, mounts, name and shared memory; `hosts.py` joins several.

Hosts share what a cluster would share: the checkout, the Python environment and one folder that stands for a network
file system. Each has its own /tmp, /run, /dev/shm and home. Namespaces have no names and are gone with their processes:
the kernel ends these when the process that made them ends, however it ends.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.cluster.processes import in_namespace_of, only_child

ROOT = Path(__file__).parents[2]
SHARED = Path("/mnt/store")
"""Where every host sees the shared folder."""

START_S = 30.0

INIT = """
set -e
hostname {name}
mount -t tmpfs tmpfs {base}/tmp
for path in {visible}; do
  case $path in /tmp/*) mkdir -p {base}$path; mount --bind $path {base}$path;; esac
done
mount -t tmpfs tmpfs /mnt
mkdir {shared}
mount --bind {base}/../shared {shared}
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /run
sed 's#^\\(root:.*\\):[^:]*:\\([^:]*\\)$#\\1:{base}/home:\\2#' /etc/passwd > {base}/passwd
mount --bind {base}/passwd /etc/passwd
mount --rbind {base}/tmp /tmp
touch {base}/ready
{service}
while true; do sleep 3600 & wait $!; done
"""


class Host:
    """One host; `Hosts` makes it. Its processes see `environment` beside PATH, HOME and PYTHONPATH."""

    def __init__(self, index: int, base: Path, environment: Mapping[str, str]) -> None:
        self.index, self.base = index, base
        self.name, self.address = f"h{index}", f"10.77.0.{10 + index}"
        self.home = base / "home"
        self.environment = {
            "PATH": f"{Path(sys.executable).parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(self.home),
            "PYTHONPATH": str(ROOT),
            "LANG": "C.UTF-8",
            **environment,
        }
        self._process: subprocess.Popen | None = None
        self.pid = 0

    def boot(self, service: str = "") -> None:
        """Start the namespaces, with `service` as a line of shell that runs in them; the network comes later."""
        for folder in (self.home, self.base / "tmp"):
            folder.mkdir(parents=True, exist_ok=True)
        (self.base / "ready").unlink(missing_ok=True)
        visible = " ".join(map(str, (ROOT, sys.prefix, self.base)))
        script = INIT.format(name=self.name, base=self.base, visible=visible, shared=SHARED, service=service)
        spaces = ["--net", "--pid", "--fork", "--kill-child", "--mount", "--mount-proc", "--uts", "--ipc"]
        with (self.base / "console.txt").open("ab") as console:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "unshare", *spaces, "bash", "-c", script],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                env=self.environment,
                start_new_session=True,
            )
        until((self.base / "ready").exists, f"{self.name}: {self.base}/console.txt says why it did not start")
        self.pid = only_child(self._process.pid)

    def command(self, *command: str) -> list[str]:
        """The argument list that runs `command` on this host, in the checkout."""
        script = f'cd {ROOT} && exec "$@"'
        return ["nsenter", "-t", str(self.pid), "-n", "-p", "-m", "-u", "-i", "bash", "-c", script, "-", *command]

    def run(self, *command: str, timeout: float = 120.0, check: bool = True) -> subprocess.CompletedProcess:
        """Run a command on this host and wait for it; its output is text. AssertionError if it fails and `check`."""
        done = subprocess.run(
            self.command(*command),
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self.environment,
            text=True,
            timeout=timeout,
        )
        assert not check or done.returncode == 0, f"{self.name}: {' '.join(command)}\n{done.stdout}"
        return done

    def start(self, *command: str) -> subprocess.Popen:
        """Run a command on this host in the background; its output goes to the host's console.txt."""
        with (self.base / "console.txt").open("ab") as console:
            return subprocess.Popen(
                self.command(*command), stdin=subprocess.DEVNULL, stdout=console, stderr=console, env=self.environment
            )

    def processes(self) -> dict[int, str]:
        """Process id as this machine counts -> command line, of everything on this host."""
        return in_namespace_of(self.pid)

    def kill(self, part: str) -> list[int]:
        """SIGKILL the processes whose command line contains `part` (`raylet/raylet`, `ray::`); their ids."""
        victims = [pid for pid, line in self.processes().items() if part in line and pid != self.pid]
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        return victims

    def crash(self) -> None:
        """End every process of the host at once, as a power cut would; nothing is left of its /tmp and memory."""
        if self._process is not None:
            if self.pid and self._process.poll() is None:
                os.kill(self.pid, signal.SIGKILL)
            self._process.kill()
            self._process.wait()
        self._process, self.pid = None, 0


def until(condition: Callable[[], bool], what: str, within_s: float = START_S) -> None:
    """Wait until `condition` holds; AssertionError with `what` after `within_s` seconds."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)
