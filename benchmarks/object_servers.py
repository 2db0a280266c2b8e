"""S3 servers for the campaigns: moto's in a process of its own, Ceph's gateway, or one that is there already."""

import json
import os
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from benchmarks.radosgw import RadosGateway, missing

ROOT = Path(__file__).parents[1]


class Server(Protocol):
    """Where it is, its process (None: not ours to stop), and whether it keeps its objects when that is killed."""

    environment: dict[str, str]
    pid: int | None
    keeps: bool


class Moto:
    """moto's server, a stand-in for a real one: it keeps objects in its memory, so that it is never killed."""

    keeps = False

    def __enter__(self) -> "Moto":
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.object_store"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        self.environment: dict[str, str] = json.loads(self._process.stdout.readline())
        self.pid: int | None = self._process.pid
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


class Given:
    """A server that runs already, with the bucket `bucket` in it; keys and region come from the environment."""

    pid: int | None = None
    keeps = False

    def __init__(self, url: str) -> None:
        self.environment = {"AWS_ENDPOINT_URL": url}

    def __enter__(self) -> "Given":
        return self

    def __exit__(self, *_: object) -> None:
        pass


def server(name: str) -> AbstractContextManager[Server]:
    """`moto`, `radosgw` or the URL of another."""
    if name == "moto":
        return Moto()
    if name == "radosgw":
        if why := missing():
            raise SystemExit(why)
        return RadosGateway()
    return Given(name)
