"""How long a command takes to start, beside an empty Python process and one that imports its libraries."""

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

REPETITIONS = 9
EMPTY = ["-c", "pass"]
LIBRARIES = ["-c", "import numpy, pyarrow, pydantic, typer, yaml"]
PLAN = ["-m", "orchestrator.cli", "plan", "demo", "--store"]


def startup() -> dict[str, Any]:
    """Medians of wall and CPU seconds; they take turns."""
    taken: dict[str, list[tuple[float, float]]] = {"python": [], "libraries": [], "plan": []}
    with tempfile.TemporaryDirectory() as folder:
        commands = {"python": EMPTY, "libraries": LIBRARIES, "plan": [*PLAN, f"{folder}/store"]}
        for command in commands.values():
            _once(command)
        for _ in range(REPETITIONS):
            for name, command in commands.items():
                taken[name].append(_once(command))
    return {
        name: {"wall_s": statistics.median(wall for wall, _ in each), "cpu_s": statistics.median(c for _, c in each)}
        for name, each in taken.items()
    }


def _once(arguments: Sequence[str]) -> tuple[float, float]:
    before, began = _used(), time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began, _used() - before


def _used() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
