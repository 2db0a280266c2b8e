"""Have Ray's memory monitor kill workers of a sweep, complete it, and compare its store with an undisturbed one.

    python -m benchmarks.memory_faults [--kills 8] [--seed 4] [--seeds 8] [--json FILE] [--undisturbed FOLDER]

`coherence run --workers 2` starts a Ray of its own in a control group with 5 GiB of memory. At random times another
program in the group takes memory until the group is beyond Ray's threshold and a worker that trains is gone, then gives
it back. A driver that gives up (three kills with no trial ended in between) is started again. Needs root on Linux.
Prints the kills, the classes of the failures, and how many (table, trial) pairs equal the undisturbed ones bit for bit.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from benchmarks.disk import in_own_mounts
from benchmarks.faults import ARMS, add_common, claimants, compared, run_undisturbed, sweep, tell
from benchmarks.memory_group import Eater, Group, limited, missing
from orchestrator.fsck import fsck
from orchestrator.store import open_store
from tests.test_kill import attempts

LIMIT_MIB = 5 * 1024
THRESHOLD = 0.8
PIECE = 256 * 2**20
WITHIN_S = 120.0
SURROUNDINGS = {"RAY_memory_usage_threshold": str(THRESHOLD), "RAY_memory_monitor_refresh_ms": "50"}


class Campaign:
    """A driver with workers of its own, and what was done to them."""

    def __init__(self, folder: Path, trials: int, rng: random.Random, group: Group) -> None:
        self.folder, self.trials, self.rng, self.group = folder, trials, rng, group
        self.done, self.codes = Counter[str](), Counter[str]()
        self.driver: subprocess.Popen | None = None

    @property
    def store(self) -> Path:
        """The disturbed store."""
        return self.folder / "disturbed"

    def drive(self) -> None:
        """Start `coherence run`."""
        self.driver = start(self.folder)

    def disturb(self) -> None:
        """Take memory until a worker that trains is killed; a driver that is gone begins again."""
        assert self.driver is not None
        if self.driver.poll() is not None:
            self.codes[str(self.driver.returncode)] += 1
            self.drive()
        time.sleep(self.rng.uniform(5.0, 20.0))
        training = claimants(self.store) & set(self.group.processes())
        if training:
            self.done["killed" if self._press(training) else "withstood"] += 1

    def _press(self, training: set[int]) -> bool:
        """Whether one of these was killed."""
        ends = time.monotonic() + WITHIN_S
        with Eater() as eater:
            while time.monotonic() < ends:
                if self.group.used() < THRESHOLD * self.group.bytes + PIECE:
                    eater.take(PIECE)
                if not all(Path(f"/proc/{pid}").exists() for pid in training):
                    return True
                time.sleep(0.02)
        return False

    def finished(self) -> bool:
        """Whether every trial is done."""
        return len(list(self.store.glob("trials/*/part-0.parquet"))) == self.trials


def start(folder: Path) -> subprocess.Popen:
    """A driver with a Ray of its own."""
    code = "import sys; from orchestrator.cli import main; sys.exit(main())"
    arguments = ["run", "faults.yaml", "--store", "disturbed", "--checkpoint-every", "0.5", "--workers", "2"]
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env={**os.environ, **SURROUNDINGS, "PYTHONPATH": str(Path.cwd())},
        stdout=subprocess.DEVNULL,
        stderr=(folder / "drivers.log").open("ab"),
    )


def run_campaign(folder: Path, kills: int, seeds: int, rng: random.Random, undisturbed: Path) -> dict[str, object]:
    """Disturb, complete, compare."""
    (folder / "faults.yaml").write_text(sweep(seeds))
    with limited(LIMIT_MIB) as group:
        campaign = Campaign(folder, ARMS * seeds, rng, group)
        campaign.drive()
        while campaign.done["killed"] < kills and not campaign.finished():
            campaign.disturb()
        assert campaign.driver is not None
        codes = [campaign.driver.wait()]
        while not campaign.finished() and len(codes) < 4:
            campaign.drive()
            codes.append(campaign.driver.wait())
    tried = attempts(campaign.store)
    return {
        **{action: campaign.done[action] for action in ("killed", "withstood")},
        "trials": campaign.trials,
        "attempts": tried.num_rows,
        "failures": dict(sorted(Counter(filter(None, tried["failure"].to_pylist())).items())),
        "ended": dict(sorted(campaign.codes.items())),
        "codes": codes,
        **compared(campaign.store, undisturbed),
        "fsck": dict(sorted(Counter(finding.kind for finding in fsck(open_store(campaign.store))).items())),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=8)
    parser.add_argument("--seed", type=int, default=4)
    add_common(parser)
    given = parser.parse_args()
    if why := missing():
        raise SystemExit(why)
    in_own_mounts("benchmarks.memory_faults")
    with tempfile.TemporaryDirectory() as name:
        folder, rng = Path(name), random.Random(given.seed)
        calm = run_undisturbed(given.undisturbed or folder / "undisturbed", given.seeds)
        options = {"seed": given.seed, "seeds": given.seeds, "kills": given.kills}
        result = {**options, **run_campaign(folder, given.kills, given.seeds, rng, calm)}
    tell(result, given.json)


if __name__ == "__main__":
    main()
