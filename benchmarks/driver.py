"""What the driver costs: trials that do nothing but write their attempt, on a local Ray.

    python -m benchmarks.driver [--trials 5000] [--each 1000] [--slots 2] [--seconds 0]

Every trial writes its row of `attempts` twice, as a real one does, and sleeps for `--seconds` between. Printed, and
written to benchmarks/results/driver.json, are for every `--each` trials, in the order in which they began:

busy         part of the slots' time, from their first beginning to their last end, in which an attempt was at work
gap_s        longest time, before any of them, in which no slot worked
driver_mib   most resident memory of the driver when a trial ended
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.local_ray import Span, gaps_before, local_ray, spans
from orchestrator import tune
from orchestrator.attempt import RunOptions
from orchestrator.resources import Resources
from orchestrator.store import Store, create_store
from trainables.records import write_part
from trainables.spec import TrialSpec, trial_id

RESULTS = Path(__file__).parent / "results" / "driver.json"


def spec_of(seed: int) -> TrialSpec:
    """Trials told apart by their seed."""
    choice = {"dataset": "digits", "model": {"name": "mlp", "widths": [8]}, "optimizer": {"name": "sgd", "lr": 0.1}}
    return TrialSpec.model_validate({**choice, "batch_size": 64, "epochs": 1, "seed": seed})


def attempt_of(seconds: float) -> tune.Attempt:
    """An attempt that writes its rows and trains nothing."""

    def attempt(spec: TrialSpec, options: RunOptions, should_stop: Callable[[], bool]) -> str:
        del should_stop
        store, identity = Store(Path(options.store)), trial_id(spec)
        row = {"trial_id": identity, "attempt": 0, "outcome": "running", "pid": os.getpid(), "started_at": time.time()}
        write_part(store.attempt_file(identity, 0), "attempts", [row], tag="0")
        if seconds:
            time.sleep(seconds)
        ended = {**row, "outcome": "completed", "ended_at": time.time()}
        write_part(store.attempt_file(identity, 0), "attempts", [ended], tag="0")
        return "completed"

    return attempt


def resident_mib() -> float:
    """Memory of this process now."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


@dataclass
class Watcher:
    """An observer that notes when trials end and what the driver holds then."""

    memory: dict[str, float] = field(default_factory=dict)

    def started(self, trial_id: str) -> None:
        """Nothing to note."""

    def finished(self, trial_id: str, outcome: str) -> None:
        """The driver's memory at the end of each trial."""
        del outcome
        self.memory[trial_id] = resident_mib()

    def failed(self, trial_id: str, message: str) -> None:
        """No trial here fails."""
        raise RuntimeError(f"{trial_id}: {message}")

    def note(self, text: str) -> None:
        """Nothing to note."""


def run(trials: int, seconds: float, store: Store) -> tuple[list[TrialSpec], Watcher, float]:
    """All trials through the door to Ray; also the wall seconds."""
    specs, watcher = [spec_of(seed) for seed in range(trials)], Watcher()
    options = RunOptions(str(store.root))
    began = time.time()
    tune.run_on_ray(specs, options, Resources(), None, watcher, lambda: False, attempt=attempt_of(seconds))
    return specs, watcher, time.time() - began


def by_group(worked: list[Span], watcher: Watcher, each: int, slots: int) -> list[dict[str, float]]:
    """A row for every `each` trials."""
    gaps, rows = gaps_before(worked), list[dict[str, float]]()
    for first in range(0, len(worked), each):
        group = worked[first : first + each]
        start, end = group[0][0], max(one[1] for one in group)
        rows.append(
            {
                "trials": len(group),
                "seconds": end - start,
                "trials_per_s": len(group) / (end - start),
                "busy": sum(ended - began for began, ended, _ in group) / (slots * (end - start)),
                "gap_s": max(gaps[first : first + each]),
                "driver_mib": max(watcher.memory[name] for _, _, name in group),
            }
        )
    return rows


def main() -> None:
    """Run, read back, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=5000)
    parser.add_argument("--each", type=int, default=1000)
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=0.0)
    given = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder, local_ray(given.slots, Path(folder) / "ray.log"):
        store, before = create_store(Path(folder) / "store"), resident_mib()
        specs, watcher, wall = run(given.trials, given.seconds, store)
        rows = by_group(spans(store, specs), watcher, given.each, given.slots)
    whole = {
        "load_before": load,
        "load_after": os.getloadavg()[0],
        "wall_s": wall,
        "trials_per_s": given.trials / wall,
        "driver_mib_before": before,
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({**vars(given), **whole, "groups": rows}, indent=1), encoding="utf-8")
    print(json.dumps({**vars(given), **{name: round(value, 2) for name, value in whole.items()}}))
    print(f"| group | {' | '.join(rows[0])} |")
    for number, row in enumerate(rows, start=1):
        print(f"| {number} | {' | '.join(f'{value:.4g}' for value in row.values())} |")


if __name__ == "__main__":
    main()
