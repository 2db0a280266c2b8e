"""Drivers of a disturbed sweep: `coherence run --local`, each in a process of its own, forked to begin at once."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from multiprocessing.process import BaseProcess
from pathlib import Path

import yaml

from benchmarks.faults import SWEEP
from orchestrator.cli import main as coherence

PROCESSES = multiprocessing.get_context("forkserver")
"""Drivers are forked from one process that has torch: on a busy machine its import would take most of their time."""
PRELOADED = ["torch", "orchestrator.run", "orchestrator.local", "trainables.trial"]


def drive(folder: Path, store: str, endpoint: str) -> None:
    """`coherence run`, in a process that has imported everything already."""
    os.chdir(folder)
    os.environ["AWS_ENDPOINT_URL"] = endpoint
    with Path("drivers.log").open("a") as log, redirect_stdout(log), redirect_stderr(log):
        sys.argv = ["coherence", "run", "faults.yaml", "--store", store, "--local", "--checkpoint-every", "0.2"]
        sys.exit(coherence())


def ended(driver: BaseProcess) -> int | None:
    """The exit code of a driver that is waited for."""
    driver.join()
    return driver.exitcode


@contextmanager
def asleep(pid: int) -> Iterator[None]:
    """A process that does nothing meanwhile."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def write_sweep(file: Path, seeds: int, epochs: int) -> int:
    """The sweep of benchmarks.faults with so many seeds and epochs; its number of trials."""
    content = yaml.safe_load(SWEEP)
    content["axes"]["seed"] = {"range": [0, seeds]}
    content["fixed"]["epochs"] = epochs
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    return seeds * len(content["axes"]["aggregator"])
