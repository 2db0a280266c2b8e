"""A new attempt waits for the process of an open older one on this host, and for nobody else."""

import os
import socket
import subprocess
import sys
import threading

import pytest

from orchestrator import orphan
from orchestrator.orphan import await_previous
from orchestrator.store import Store
from trainables.records import write_part


def older(store, pid, outcome="running", host=None):
    row = {"trial_id": "a", "attempt": 0, "outcome": outcome, "pid": pid, "host": host or socket.gethostname()}
    write_part(store.attempt_file("a", 0), "attempts", [row], tag="0")


@pytest.fixture
def alive():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def test_it_waits_until_the_older_process_ends(tmp_path, alive):
    store = Store(tmp_path)
    older(store, alive.pid)
    waiting = threading.Thread(target=await_previous, args=(store, "a", 1))
    waiting.start()
    waiting.join(0.3)
    assert waiting.is_alive()
    alive.kill()
    alive.wait()
    waiting.join(5)
    assert not waiting.is_alive()


def test_it_does_not_wait_for_others(tmp_path, alive, monkeypatch):
    monkeypatch.setattr(orphan, "PATIENCE_S", 3600.0)
    store = Store(tmp_path)
    await_previous(store, "a", 0)
    for pid, outcome, host in [
        (alive.pid, "failed", None),
        (alive.pid, "running", "elsewhere"),
        (os.getpid(), "running", None),
    ]:
        older(store, pid, outcome, host)
        await_previous(store, "a", 1)


def test_patience_ends(tmp_path, alive, monkeypatch):
    monkeypatch.setattr(orphan, "PATIENCE_S", 0.1)
    store = Store(tmp_path)
    older(store, alive.pid)
    await_previous(store, "a", 1)
