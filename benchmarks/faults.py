"""Disturb drivers of one sweep at random, complete it, and compare the store with an undisturbed one, row for row.

    python -m benchmarks.faults [--kills 30] [--seed 1] [--seeds 8] [--json FILE] [--undisturbed FOLDER]

Two drivers, each a process of its own (`coherence run --local`), work on one sweep in one store. A seeded schedule
kills (SIGKILL), preempts (SIGTERM) or freezes one of them: a frozen one (SIGSTOP) sleeps until its claim has expired
and another has taken its trial over, then wakes up as a late writer. Between them, parts of unfinished trials are cut
short; and where root can mount a file system for the store, its disk is filled, and made read-only, until a driver
gives up. What has ended is started again. A claim lasts three seconds here, so that waking up late does not take
minutes.
Prints what was done, the steps repeated, how many (table, trial) pairs equal the undisturbed ones bit for bit, and what
`coherence fsck` finds in the end. `--undisturbed` keeps the undisturbed store, for the other campaigns: they run the
same sweep.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.disk import Disk, in_own_mounts, may_mount
from benchmarks.schedule import Schedule
from orchestrator.fsck import fsck
from orchestrator.store import open_store
from tests.test_kill import attempts, curves
from trainables.records import CURVES, part_number

SWEEP = """
name: faults
axes:
  aggregator: [mean, {name: winsorized, level: 4}, rolling-median-of-3]
  seed: {range: [0, SEEDS]}
fixed:
  dataset: digits
  model: {name: mlp, widths: [64]}
  corruption: {name: permuted-labels, fraction: 0.5}
  optimizer: {name: sgd, lr: 0.2}
  batch_size: 32
  epochs: 60
measure:
  probe: {examples: 500, schedule: {every: 20}}
  evaluate: {schedule: {every: 20}}
"""
ARMS = 3
"""Trials of each seed."""
CLAIM_S = 3.0
ACTIONS = ("kill", "kill", "preempt", "freeze", "freeze", "cut", "cut")
DISK_ACTIONS = ("full", "read-only")
STORE_MIB = 256
GIVES_UP_S = 120.0
"""Seconds within which a driver writes, meets a disk that refuses, and ends."""


def sweep(seeds: int) -> str:
    """The sweep file, with so many seeds."""
    return SWEEP.replace("SEEDS", str(seeds))


@dataclass
class Campaign:
    """Two drivers and what was done to them. trials: of the sweep. disk: of the store, if it can be tampered with."""

    folder: Path
    trials: int
    rng: random.Random
    disk: Disk | None
    schedule: Schedule
    done: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    drivers: list[subprocess.Popen] = field(default_factory=list)

    @property
    def store(self) -> Path:
        """The disturbed store."""
        return self.folder / "disturbed"

    def start(self) -> subprocess.Popen:
        """One driver."""
        code = "import sys; from orchestrator.cli import main; sys.exit(main())"
        arguments = ["run", "faults.yaml", "--store", "disturbed", "--local", "--checkpoint-every", "0.2"]
        surroundings = {**os.environ, "GRADIENT_COHERENCE_CLAIM_S": str(CLAIM_S), "PYTHONPATH": str(Path.cwd())}
        return subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            cwd=self.folder,
            env=surroundings,
            stdout=subprocess.DEVNULL,
            stderr=(self.folder / "drivers.log").open("ab"),
        )

    def disturb(self) -> None:
        """One action, once a driver is training; drivers that are gone begin again."""
        self.drivers = [driver if driver.poll() is None else self._again(driver) for driver in self.drivers]
        time.sleep(self.rng.uniform(1.0, 6.0))
        at_work = [driver for driver in self.drivers if driver.pid in claimants(self.store) and driver.poll() is None]
        if not at_work:  # on a busy machine a start takes a minute
            return
        victim, action = self.rng.choice(at_work), self.schedule.draw()
        if action == "cut" and not self._cut():
            self.schedule.put_back(action)
            return
        if action in DISK_ACTIONS:
            assert self.disk is not None
            tamper = self.disk.full if action == "full" else self.disk.read_only
            if tamper(GIVES_UP_S, lambda: any(driver.poll() is not None for driver in at_work)) is False:
                self.schedule.put_back(action)
                return
        self.done[action] += 1
        if action == "kill":
            victim.kill()
            victim.wait()
        elif action == "preempt":
            victim.terminate()
            victim.wait()
        elif action == "freeze":
            victim.send_signal(signal.SIGSTOP)
            time.sleep(CLAIM_S + self.rng.uniform(1.0, 4.0))
            victim.send_signal(signal.SIGCONT)

    def _again(self, driver: subprocess.Popen) -> subprocess.Popen:
        self.codes[str(driver.wait())] += 1
        return self.start()

    def _cut(self) -> bool:
        """Cut the newest part of an unfinished trial short."""
        parts = [
            path
            for table in CURVES
            for path in self.store.glob(f"{table}/*/part-*.parquet")
            if not (self.store / "trials" / path.parent.name).exists()
        ]
        if not parts:
            return False
        part = max(parts, key=part_number)
        try:
            os.truncate(part, part.stat().st_size // 2)
        except FileNotFoundError:  # its trial has gone back meanwhile
            return False
        return True

    def finished(self) -> bool:
        """Whether every trial is done."""
        return len(list(self.store.glob("trials/*/part-0.parquet"))) == self.trials


def claimants(store: Path) -> set[int]:
    """Processes of this machine that claim a trial and have written down that they begin."""
    found = set()
    for path in store.glob("claims/*/*"):
        begun = store / "attempts" / path.parent.name / f"part-{path.name}.parquet"
        try:
            if begun.exists():
                found.add(json.loads(path.read_bytes())["pid"])
        except (FileNotFoundError, ValueError, KeyError):
            continue  # given back, or being made, at this moment
    return found


def repeated_steps(store: Path) -> tuple[int, int]:
    """(steps made in all attempts whose end is known, steps of the finished trials)."""
    rows = attempts(store).to_pylist()
    made = sum((row["end_step"] or row["start_step"] or 0) - (row["start_step"] or 0) for row in rows)
    steps = sum(pq.read_table(path)["steps"][0].as_py() for path in store.glob("trials/*/part-0.parquet"))
    return made, steps


def compared(store: Path, undisturbed: Path) -> dict[str, int]:
    """How many (table, trial) pairs hold the same rows, bit for bit, and what that took."""
    expected, found = curves(undisturbed), curves(store)
    planned = {row["trial_id"] for path in store.glob("sweeps/*/*.parquet") for row in pq.read_table(path).to_pylist()}
    pairs = [(table, trial) for table, trials in expected.items() for trial in sorted(planned & set(trials))]
    equal = sum(trial in found[table] and found[table][trial].equals(expected[table][trial]) for table, trial in pairs)
    made, steps = repeated_steps(store)
    return {"equal": equal, "pairs": len(pairs), "steps_made": made, "steps": steps}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    add_common(parser)
    given = parser.parse_args()
    if may_mount():
        in_own_mounts("benchmarks.faults")
    with tempfile.TemporaryDirectory() as name:
        folder, rng = Path(name), random.Random(given.seed)
        calm = run_undisturbed(given.undisturbed or folder / "undisturbed", given.seeds)
        options = {"seed": given.seed, "seeds": given.seeds, "kills": given.kills}
        result = {**options, **run_campaign(folder, given.kills, given.seeds, rng, calm)}
    tell(result, given.json)


def tell(result: dict, file: Path | None) -> None:
    """Print what a campaign came to, and keep it where it was asked for."""
    print(json.dumps(result))
    if file:
        file.write_text(json.dumps(result, indent=1) + "\n")


def add_common(parser: argparse.ArgumentParser) -> None:
    """Options of every campaign on this sweep."""
    parser.add_argument("--seeds", type=int, default=8, help=f"Seeds of the sweep, {ARMS} trials each.")
    parser.add_argument("--json", type=Path, help="Keep the result here too.")
    parser.add_argument("--undisturbed", type=Path, help="A store without faults, made or completed first, and kept.")


def run_undisturbed(store: Path, seeds: int) -> Path:
    """Run the sweep into this store, without Ray, where it is not there yet; the store."""
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "faults.yaml"
        file.write_text(sweep(seeds))
        command = [sys.executable, "-m", "orchestrator.cli", "run", str(file), "--store", str(store), "--local"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return store


def run_campaign(folder: Path, actions: int, seeds: int, rng: random.Random, undisturbed: Path) -> dict[str, object]:
    """Disturb, complete, compare."""
    disk = Disk(folder / "disturbed", STORE_MIB) if may_mount() else None
    try:
        return _run(folder, actions, seeds, rng, undisturbed, disk)
    finally:
        if disk:
            disk.remove()


def _run(
    folder: Path, actions: int, seeds: int, rng: random.Random, undisturbed: Path, disk: Disk | None
) -> dict[str, object]:
    kinds = ACTIONS + (DISK_ACTIONS if disk else ())
    campaign = Campaign(folder, ARMS * seeds, rng, disk, Schedule(kinds, rng))
    (folder / "faults.yaml").write_text(sweep(seeds))
    campaign.drivers = [campaign.start(), campaign.start()]
    while campaign.done.total() < actions and not campaign.finished():
        campaign.disturb()
    codes = [driver.wait() for driver in campaign.drivers]
    last = campaign.start().wait()
    left = len([*campaign.store.glob("claims/*/*"), *campaign.store.glob("checkpoints/*/*")])
    return {
        **{action: campaign.done[action] for action in sorted({*ACTIONS, *DISK_ACTIONS})},
        "trials": campaign.trials,
        "attempts": attempts(campaign.store).num_rows,
        "ended": dict(sorted(campaign.codes.items())),
        "codes": [*codes, last],
        **compared(campaign.store, undisturbed),
        "claims_and_checkpoints_left": left,
        "fsck": dict(sorted(Counter(finding.kind for finding in fsck(open_store(campaign.store))).items())),
    }


if __name__ == "__main__":
    main()
