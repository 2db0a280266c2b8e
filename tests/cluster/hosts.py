"""Several hosts on one machine, joined by a bridge that lives in a namespace of its own.

Nothing touches the machine's own network, and several `Hosts` at a time do not see each other.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from tests.cluster.host import Host, until

TOOLS = ("ip", "unshare", "nsenter", "setpriv", "mount", "bash")


def missing() -> str | None:
    """Why this machine cannot make hosts; None if it can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "hosts in network namespaces need root on Linux"
    if absent := [tool for tool in TOOLS if shutil.which(tool) is None]:
        return f"not installed: {', '.join(absent)} (Debian: apt-get install iproute2 util-linux)"
    command = ["unshare", "--net", "--pid", "--fork", "--mount", "true"]
    tried = subprocess.run(command, check=False, capture_output=True, text=True)
    return None if tried.returncode == 0 else f"no namespaces here: {tried.stderr.strip()}"


class Hosts:
    """`count` hosts on one bridge: `with Hosts(3, folder) as hosts: hosts[0].run("hostname")`.

    folder: of this test; `folder/shared` is what every host sees at SHARED.
    services: by index, a line of shell that a host runs from its start (an sshd).
    """

    def __init__(self, count: int, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.shared = folder / "shared"
        self._hosts = [Host(index, folder / f"h{index}", environment or {}) for index in range(count)]
        self._services: dict[int, str] = {}
        self._switch: subprocess.Popen | None = None
        self._stack = ExitStack()

    def __enter__(self) -> "Hosts":
        self.shared.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            self._switch = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "sleep", "infinity"], start_new_session=True
            )
            stack.callback(_end, self._switch)
            own = Path("/proc/self/ns/net").readlink()
            until(lambda: self._network() != own, "the bridge's namespace did not start")
            self._ip("link", "add", "bridge", "type", "bridge")
            self._ip("link", "set", "bridge", "up")
            for host in self._hosts:
                stack.callback(host.crash)
                self.boot(host.index)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def __getitem__(self, index: int) -> Host:
        return self._hosts[index]

    def __len__(self) -> int:
        return len(self._hosts)

    def serve(self, index: int, service: str) -> None:
        """Have a host run this line of shell from its next boot on."""
        self._services[index] = service

    def boot(self, index: int) -> None:
        """Start a host, at first or after a crash, and plug in its cable."""
        host = self._hosts[index]
        host.boot(self._services.get(index, ""))
        port = f"port{index}"
        self._ip("link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", str(host.pid))
        self._ip("link", "set", port, "master", "bridge")
        self._ip("link", "set", port, "up")
        for arguments in (("addr", "add", f"{host.address}/24", "dev", "eth0"), ("link", "set", "eth0", "up")):
            host.run("ip", *arguments)
        host.run("ip", "link", "set", "lo", "up")

    def cut(self, index: int) -> None:
        """Unplug a host's network; its processes go on."""
        self._ip("link", "set", f"port{index}", "down")

    def restore(self, index: int) -> None:
        """Plug it in again."""
        self._ip("link", "set", f"port{index}", "up")

    def _network(self) -> Path:
        assert self._switch is not None
        return Path(f"/proc/{self._switch.pid}/ns/net").readlink()

    def _ip(self, *arguments: str) -> None:
        assert self._switch is not None
        command = ["nsenter", "-t", str(self._switch.pid), "-n", "ip", *arguments]
        subprocess.run(command, check=True, capture_output=True)


def _end(process: subprocess.Popen) -> None:
    process.kill()
    process.wait()
