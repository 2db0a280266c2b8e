"""Kill workers and drivers of a sweep at random times, complete it, and compare it with an undisturbed store.

    python -m benchmarks.kill SWEEP UNDISTURBED_STORE NEW_STORE [--drivers 3] [--workers 3] [--seed 7]

Each round starts `coherence run`, kills up to `--workers` workers that are training, then the driver, with SIGKILL.
A last run completes the sweep. Prints how many (table, trial) pairs equal the undisturbed ones, row for row and bit for
bit, and how many attempts resumed from a step above 0. Needs the same machine, packages and sweep for both stores.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.test_kill import attempts, checkpointed_worker, curves


def start(sweep: str, store: Path) -> subprocess.Popen:
    """A run with checkpoints every two seconds."""
    code = "import sys; from orchestrator.cli import main; sys.exit(main())"
    arguments = ["run", sweep, "--store", str(store), "--checkpoint-every", "2"]
    return subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.DEVNULL)


def disturb(sweep: str, store: Path, workers: int, rng: random.Random) -> int:
    """One round; the number of workers killed before the driver."""
    driver, killed = start(sweep, store), 0
    for _ in range(workers):
        time.sleep(rng.uniform(15, 35))
        worker = checkpointed_worker(store)
        if worker is not None and Path(f"/proc/{worker}").exists():
            os.kill(worker, signal.SIGKILL)
            killed += 1
    time.sleep(rng.uniform(5, 15))
    driver.kill()
    driver.wait()
    return killed


def main() -> None:
    """Disturb, complete, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sweep")
    parser.add_argument("undisturbed", type=Path)
    parser.add_argument("store", type=Path)
    parser.add_argument("--drivers", type=int, default=3)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    rng = random.Random(given.seed)
    killed = sum(disturb(given.sweep, given.store, given.workers, rng) for _ in range(given.drivers))
    code = start(given.sweep, given.store).wait()
    expected, found = curves(given.undisturbed), curves(given.store)
    pairs = [(table, trial) for table, trials in expected.items() for trial in trials]
    equal = sum(trial in found[table] and found[table][trial].equals(expected[table][trial]) for table, trial in pairs)
    tried = attempts(given.store).to_pylist()
    resumed = sum((row["start_step"] or 0) > 0 for row in tried)
    print(f"killed: {killed} workers, {given.drivers} drivers; the last run ended with {code}")
    print(f"equal: {equal} of {len(pairs)} (table, trial) pairs; {len(tried)} attempts, {resumed} resumed above step 0")


if __name__ == "__main__":
    main()
