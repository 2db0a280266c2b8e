"""Ceph's S3 gateway on loopback, for as long as this runs: a monitor, a storage daemon in memory, and radosgw.

    python -m benchmarks.radosgw [--port 43380]

Prints the environment that leads to it, with one empty bucket, and ends everything on Ctrl-C. Needs Ceph's programs
(Debian: apt-get install --no-install-recommends radosgw ceph-mon ceph-osd ceph-common), and no rights beyond a user's.
All files are in a temporary folder, all ports on loopback, so that it touches no other Ceph. A stand-in for a cluster
in one thing: a single copy of every object, in memory, which is gone at the end.
"""

import argparse
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
import uuid
from pathlib import Path

from tests.object_store import BUCKET, KEYS, SECRET, make_bucket

TOOLS = ("ceph", "ceph-mon", "ceph-osd", "ceph-authtool", "monmaptool", "radosgw", "radosgw-admin")
PACKAGES = "radosgw ceph-mon ceph-osd ceph-common"
START_S = 60.0

CONFIG = """
[global]
fsid = {fsid}
mon host = v2:127.0.0.1:{monitor}
mon initial members = a
public network = 127.0.0.1/32
public addr = 127.0.0.1
mon allow pool size one = true
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon data = {folder}/mon
mon data avail crit = 1
osd data = {folder}/osd
osd objectstore = memstore
memstore device bytes = 4294967296
log file = {folder}/$name.log
admin socket = {folder}/$name.asok
pid file = {folder}/$name.pid
run dir = {folder}
keyring = {folder}/keyring
rgw data = {folder}/rgw
rgw frontends = beast endpoint=127.0.0.1:{port}
rgw thread pool size = 64
"""
CAPABILITIES = {
    "mon.": {"mon": "allow *"},
    "client.admin": {"mon": "allow *", "osd": "allow *", "mgr": "allow *"},
    "osd.0": {"mon": "allow profile osd", "osd": "allow *", "mgr": "allow profile osd"},
}


def missing() -> str | None:
    """What must be installed; None if all is there."""
    absent = [tool for tool in TOOLS if shutil.which(tool) is None]
    return f"not installed: {', '.join(absent)} (Debian: apt-get install {PACKAGES})" if absent else None


class RadosGateway:
    """`with RadosGateway() as gateway: gateway.environment`. The gateway can be killed and started again."""

    keeps = True

    def __init__(self, port: int = 43380) -> None:
        self.port = port
        self.gateway: subprocess.Popen | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="ceph-")
        self._daemons: list[subprocess.Popen] = []

    @property
    def environment(self) -> dict[str, str]:
        """Keys and endpoint."""
        return {**KEYS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}"}

    @property
    def pid(self) -> int:
        """Of the gateway."""
        assert self.gateway is not None
        return self.gateway.pid

    def __enter__(self) -> "RadosGateway":
        try:
            self._cluster()
            self.start()
            make_bucket(self.environment)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def start(self) -> None:
        """Start the gateway, and wait until it answers."""
        self.gateway = self._daemon("radosgw", "-n", "client.admin")
        deadline = time.monotonic() + START_S
        while not self._answers():
            if time.monotonic() > deadline or self.gateway.poll() is not None:
                raise SystemExit(f"radosgw did not start:\n{self._log('client.admin')}")
            time.sleep(0.1)

    def kill(self) -> None:
        """SIGKILL to the gateway."""
        assert self.gateway is not None
        self.gateway.kill()
        self.gateway.wait()

    def _cluster(self) -> None:
        folder, fsid, disk = Path(self._folder.name), str(uuid.uuid4()), str(uuid.uuid4())
        monitor = self.port + 1
        for name in ("mon", "osd", "rgw"):
            (folder / name).mkdir()
        (folder / "ceph.conf").write_text(CONFIG.format(fsid=fsid, folder=folder, port=self.port, monitor=monitor))
        keyring, monmap = str(folder / "keyring"), str(folder / "monmap")
        self._run("ceph-authtool", "--create-keyring", keyring)
        for name, parts in CAPABILITIES.items():
            caps = [word for part, what in parts.items() for word in ("--cap", part, what)]
            self._run("ceph-authtool", keyring, "--gen-key", "-n", name, *caps)
        self._run("monmaptool", "--create", "--addv", "a", f"[v2:127.0.0.1:{monitor}]", "--fsid", fsid, monmap)
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap, "--keyring", keyring)
        self._daemons.append(self._daemon("ceph-mon", "-i", "a"))
        self._run("ceph", "auth", "import", "-i", keyring)
        self._run("ceph", "osd", "new", disk)
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", disk)
        self._daemons.append(self._daemon("ceph-osd", "-i", "0"))
        keys = (f"--access-key={KEYS['AWS_ACCESS_KEY_ID']}", f"--secret-key={SECRET}")
        self._run("radosgw-admin", "user", "create", "--uid=coherence", "--display-name=coherence", *keys)

    def _surroundings(self) -> dict[str, str]:
        return {**os.environ, "CEPH_CONF": f"{self._folder.name}/ceph.conf"}

    def _run(self, *command: str) -> None:
        done = subprocess.run(
            command, env=self._surroundings(), capture_output=True, text=True, timeout=2 * START_S, check=False
        )
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")

    def _daemon(self, *command: str) -> subprocess.Popen:
        with (Path(self._folder.name) / "console.txt").open("ab") as console:
            return subprocess.Popen([*command, "-f"], env=self._surroundings(), stdout=console, stderr=console)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.environment["AWS_ENDPOINT_URL"], timeout=5):
                return True
        except OSError:
            return False

    def _log(self, name: str) -> str:
        log = Path(self._folder.name) / f"{name}.log"
        return "\n".join(log.read_text(errors="replace").splitlines()[-5:]) if log.exists() else "no log"

    def _end(self) -> None:
        for process in (self.gateway, *reversed(self._daemons)):
            if process is not None:
                process.kill()
                process.wait()
        self._folder.cleanup()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=43380)
    given = parser.parse_args()
    if why := missing():
        raise SystemExit(why)
    with RadosGateway(given.port) as gateway:
        lines = {**gateway.environment, "BUCKET": BUCKET}
        print("\n".join(f"export {name}={value}" for name, value in lines.items()), flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    main()
