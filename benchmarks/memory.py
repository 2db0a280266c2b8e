"""Peak memory of a step: MiB of resident memory above the state after one plain step, the median of several processes
of each method, since where an allocator puts things differs from one to the next. Linux only: reads and resets the
high-water mark in /proc/self.

    python -m benchmarks.memory --model lenet --method fused --batch 64
"""

import argparse
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from benchmarks.methods import METHODS, Method, plain
from benchmarks.networks import batch, network

BATCH, PROCESSES = 64, 5
ALL: dict[str, Method] = {"plain": plain, **METHODS}


def memory_rows(name: str, methods: list[str]) -> list[dict[str, Any]]:
    """Of one model: the plain step and the methods."""
    rows = []
    for method in ("plain", *(each for each in methods if "every" not in each and "only" not in each)):
        command = [sys.executable, "-m", "benchmarks.memory", "--model", name, "--method", method]
        found = sorted(
            float(subprocess.run(command, check=True, capture_output=True, text=True).stdout) for _ in range(PROCESSES)
        )
        mib, low, high = statistics.median(found), found[0], found[-1]
        rows.append({"model": name, "batch": BATCH, "method": method, "mib": mib, "low": low, "high": high})
        print(f"{name:24} {BATCH:>4}  {method:26} {mib:6.1f} MiB ({low:.1f}-{high:.1f})", flush=True)
    return rows


def peak(name: str, method: str, size: int) -> float:
    """MiB above the state after one plain step of the whole batch."""
    x, y = batch(name, size)
    step, base = ALL[method](network(name)), plain(network(name))
    step(x[:2], y[:2])  # kernels are compiled and libraries loaded before anything is counted
    base(x, y)
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    for _ in range(3):
        step(x, y)
    return round((_status("VmHWM") - before) / 1024, 1)


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1])


def main() -> None:
    """One number."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--method", required=True)
    parser.add_argument("--batch", type=int, default=BATCH)
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(peak(given.model, given.method, given.batch))


if __name__ == "__main__":
    main()
