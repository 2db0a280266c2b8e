"""Cost of per-example statistics as a multiple of the plain step, beside the libraries, in one run.

    python -m benchmarks.engine [--repetitions 9] [--batch 64 128] [--models mlp lenet] [--methods fused exact]
                                [--device cuda] [--only times memory breakdown] [--out engine]

One torch thread, CPU time of the process (on a GPU: wall time between synchronisations), every measurement bracketed
by plain steps of the same run; order shuffled in each repetition; two calls of each are not counted. Writes
benchmarks/results/engine.json (model, batch, method, ratio, low, high) and engine.png, or those of the name --out for
another machine; a run of some models or methods replaces their rows and leaves the others.
"""

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.breakdown import breakdown
from benchmarks.engine_figure import draw
from benchmarks.memory import memory_rows
from benchmarks.methods import METHODS, PERIOD, Step, plain
from benchmarks.networks import NETWORKS, batch, network

RESULTS = Path(__file__).parent / "results"
LEAST_S = 0.1
"""Seconds of plain steps in one measurement, at least."""

Row = dict[str, Any]


def clock(device: str) -> Callable[[], float]:
    """Seconds of CPU, or of the wall once the device is idle."""
    if device == "cpu":
        return time.process_time

    def wall() -> float:
        torch.cuda.synchronize()
        return time.perf_counter()

    return wall


def times(name: str, size: int, repetitions: int, methods: list[str], device: str) -> list[Row]:
    """Rows of one model and batch size."""
    x, y = batch(name, size, device)
    now = clock(device)

    def seconds(step: Step, repeats: int) -> float:
        began = now()
        for _ in range(repeats):
            step(x, y)
        return (now() - began) / repeats

    base = plain(network(name, device))
    others = {method: METHODS[method](network(name, device)) for method in methods}
    for method, step in (("plain", base), *others.items()):
        seconds(step, 2 * PERIOD.get(method, 1))
    repeats = max(1, round(LEAST_S / seconds(base, 3)))
    ratios: dict[str, list[float]] = {method: [] for method in others}
    for _ in range(repetitions):
        for method in random.sample(list(others), len(others)):
            before = seconds(base, repeats)
            turns = repeats if "vmap" not in method else 1
            own = seconds(others[method], -(-turns // PERIOD.get(method, 1)) * PERIOD.get(method, 1))
            ratios[method].append(2 * own / (before + seconds(base, repeats)))
    common = {"model": name, "batch": size, "device": device}
    return [{**common, "method": method, **summary(found)} for method, found in ratios.items()]


def summary(ratios: list[float]) -> Row:
    """Median and quartiles."""
    low, middle, high = statistics.quantiles(ratios, n=4)
    return {"ratio": round(middle, 3), "low": round(low, 3), "high": round(high, 3), "repetitions": len(ratios)}


def main() -> None:
    """Measure, print and write, a model at a time."""
    given = arguments()
    torch.set_num_threads(1)
    models = [name for name in NETWORKS if any(name.startswith(each) for each in given.models)]
    for name in models:
        for size in given.batch if "times" in given.only else []:
            rows = times(name, size, given.repetitions, given.methods, given.device)
            keep(given.out, "rows", rows, ("model", "batch", "method", "device"))
            for row in rows:
                print(
                    f"{name:24} {size:>4}  {row['method']:26} {row['ratio']:6.2f}  {row['low']:.2f}-{row['high']:.2f}",
                    flush=True,
                )
        if "memory" in given.only and given.device == "cpu":
            keep(given.out, "memory", memory_rows(name, given.methods), ("model", "batch", "method"))
        if "breakdown" in given.only and given.device == "cpu":
            keep(given.out, "breakdown", breakdown(name, given.batch[-1]), ("model", "batch", "layer"))


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=9)
    parser.add_argument("--batch", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--models", nargs="+", default=[""], help="their names, or beginnings of them")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--only", nargs="+", default=["times", "memory", "breakdown"])
    parser.add_argument("--out", default="engine", help="name of the files in benchmarks/results")
    return parser.parse_args()


def keep(name: str, table: str, rows: list[Row], key: tuple[str, ...]) -> None:
    """Put rows in the place of those of the same key, and draw the figure."""
    path = RESULTS / f"{name}.json"
    found = json.loads(path.read_text()) if path.exists() else {}
    new = {tuple(row[column] for column in key): row for row in rows}
    old = {tuple(row[column] for column in key): row for row in found.get(table, [])}
    found |= {"torch": torch.__version__, table: list({**old, **new}.values())}
    RESULTS.mkdir(exist_ok=True)
    path.write_text(json.dumps(found, indent=1) + "\n")
    draw(found.get("rows", []), RESULTS / f"{name}.png")


if __name__ == "__main__":
    main()
