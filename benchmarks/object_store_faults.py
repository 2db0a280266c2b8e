"""Disturb drivers of one sweep in an object store, and the store's server, at random; compare with a calm run.

    python -m benchmarks.object_store_faults [--faults 40] [--seed 1] [--seeds 8] [--epochs 60]
        [--calm FOLDER] [--server moto | radosgw | URL] [--json FILE]

Two drivers, each a process of its own (`coherence run --local`), work on one sweep in one prefix of an S3 server that
is a process of its own too. Between them and it lies a proxy that can refuse connections and cut them. A seeded
schedule:

kill, preempt, freeze, cut   as in benchmarks.faults: SIGKILL, SIGTERM, asleep until its claim has expired and another
                             has its trial; a part of an unfinished trial put back with half its bytes
silent                       the server asleep for some seconds (SIGSTOP, SIGCONT): it takes requests, answers none
refuse                       connections refused for some seconds, those that are open ended
lose                         a few connections ended in the middle of a request, after it with its answer lost, or in
                             the middle of the answer
restart                      SIGKILL to a server that keeps its objects elsewhere (radosgw), started again after seconds

The store must equal that of a run in a folder, row for row. What was killed is started again. A claim lasts three
seconds here. moto's server is a stand-in that keeps its objects in memory; `--server radosgw` starts Ceph's
(benchmarks/radosgw.py says what it needs); `--server http://HOST:PORT` takes any other, with the keys in AWS_* and a
bucket named `bucket`, and leaves its process alone.
"""

import argparse
import os
import random
import tempfile
import time
from collections import Counter
from multiprocessing.process import BaseProcess
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa

from benchmarks.faults import CLAIM_S, compared, tell
from benchmarks.forked import PRELOADED, PROCESSES, asleep, drive, ended, write_sweep
from benchmarks.object_servers import Server, server
from tests.fetch import fetch
from tests.object_store import new_prefix
from tests.proxy import Cut, Proxy
from tests.test_kill import attempts, curves
from trainables.location import locate
from trainables.records import CURVES, PARTED, STORE_FILE, part_number
from trainables.remote import RemotePath

DRIVERS = ("kill", "preempt", "freeze", "cut")
NETWORK = ("refuse", "lose")
CUTS: tuple[Cut, ...] = ("request", "answer", "half-answer")
METHODS = ("PUT", "PUT", "PUT", "GET", "HEAD", "POST")  # deletes are posted
KEPT = {STORE_FILE, "trials", "attempts", "sweeps", *PARTED}


class Campaign:
    """Two drivers, a server and what was done to them."""

    def __init__(self, folder: Path, served: Server, proxy: Proxy, rng: random.Random, trials: int) -> None:
        self.folder, self.server, self.proxy, self.rng, self.trials = folder, served, proxy, rng, trials
        self.store = locate(new_prefix())
        self.done, self.codes = Counter[str](), Counter[int]()
        self.drivers: list[BaseProcess] = []
        stopped = ("silent",) if served.pid is not None else ()
        self.actions = (*DRIVERS, *NETWORK, *stopped, *(("restart",) if served.keeps else ()))

    def start(self, store: str) -> BaseProcess:
        """One driver, which reaches the server through the proxy."""
        driver = PROCESSES.Process(target=drive, args=(self.folder, store, self.proxy.url))
        driver.start()
        return driver

    def disturb(self) -> None:
        """One action; drivers that are gone begin again."""
        for index, driver in enumerate(self.drivers):
            if driver.exitcode is not None:
                self.codes[driver.exitcode] += 1
                self.drivers[index] = self.start(str(self.store))
        time.sleep(self.rng.uniform(1.0, 6.0))
        victim, action = self.rng.choice(self.drivers), self.rng.choice(self.actions)
        if action in DRIVERS and victim.exitcode is not None:
            return
        if getattr(self, action)(victim) is not False:
            self.done[action] += 1

    def kill(self, victim: BaseProcess) -> None:
        """SIGKILL."""
        victim.kill()
        victim.join()

    def preempt(self, victim: BaseProcess) -> None:
        """SIGTERM."""
        victim.terminate()
        victim.join()

    def freeze(self, victim: BaseProcess) -> None:
        """Make a late writer of it."""
        assert victim.pid is not None
        with asleep(victim.pid):
            time.sleep(CLAIM_S + self.rng.uniform(1.0, 4.0))

    def cut(self, victim: BaseProcess) -> bool:
        """Halve the newest part of the unfinished trial that has come least far: the other may be done by now."""
        del victim
        done = {path.name for path in (self.store / "trials").iterdir()}
        parts = [path for table in CURVES for path in (self.store / table).glob("*/part-*.parquet")]
        newest = {path.parent.name: path for path in sorted(parts, key=part_number) if path.parent.name not in done}
        part = min(newest.values(), key=part_number, default=None)
        tag = part.tag() if isinstance(part, RemotePath) else None
        if not isinstance(part, RemotePath) or tag is None:
            return False
        content = part.read_bytes()
        return part.write_over(content[: len(content) // 2], tag) is not None

    def silent(self, victim: BaseProcess) -> None:
        """The server takes requests and does not answer."""
        del victim
        assert self.server.pid is not None
        with asleep(self.server.pid):
            time.sleep(self.rng.uniform(1.0, 8.0))

    def refuse(self, victim: BaseProcess) -> None:
        """No connections."""
        del victim
        self.proxy.refuse()
        time.sleep(self.rng.uniform(1.0, 8.0))
        self.proxy.accept()

    def lose(self, victim: BaseProcess) -> None:
        """Six of the next connections end in the middle."""
        del victim
        for _ in range(6):
            self.proxy.lose(self.rng.choice(CUTS), self.rng.choice(METHODS))

    def restart(self, victim: BaseProcess) -> None:
        """Kill the server, and start it again."""
        del victim
        self.server.kill()  # type: ignore[attr-defined]
        time.sleep(self.rng.uniform(0.0, 4.0))
        self.server.start()  # type: ignore[attr-defined]

    def finished(self) -> bool:
        """Whether every trial is done."""
        return sum(1 for _ in (self.store / "trials").iterdir()) == self.trials


def differing_rows(store: Path, calm: Path) -> dict[str, int]:
    """Rows of the calm run that are missing, and rows that it does not have or has once less."""
    found, expected = (_rows(curves(each)) for each in (store, calm))
    return {
        "rows": expected.total(),
        "rows_lost": (expected - found).total(),
        "rows_doubled": (found - expected).total(),
    }


def _rows(tables: dict[str, dict[str, pa.Table]]) -> Counter[str]:
    return Counter(f"{name} {row}" for name, trials in tables.items() for t in trials.values() for row in t.to_pylist())


def campaign(run: Campaign, faults: int, calm: Path) -> dict[str, object]:
    """Disturb, complete, compare."""
    copy, began = run.folder / "copy", time.monotonic()
    if ended(run.start(str(calm.absolute()))) != 0:
        raise SystemExit("the undisturbed run failed")
    run.drivers = [run.start(str(run.store)), run.start(str(run.store))]
    while run.done.total() < faults and not run.finished():
        run.disturb()
        print(dict(run.done), dict(run.codes), flush=True)
    run.proxy.forget()
    codes = [*map(ended, run.drivers), ended(run.start(str(run.store)))]
    left = [name for name in fetch(run.store, copy) if name.split("/")[0] not in KEPT or ".tmp" in name]
    made = compared(copy, calm)
    return {
        **{action: run.done[action] for action in sorted(set(run.actions))},
        **{f"lost_{cut.replace('-', '_')}": run.proxy.lost[cut] for cut in CUTS},
        "trials": run.trials,
        "attempts": attempts(copy).num_rows,
        "ended_early": {str(code): number for code, number in sorted(run.codes.items())},
        "codes": codes,
        **made,
        **differing_rows(copy, calm),
        "objects_left_over": left,
        "minutes": round((time.monotonic() - began) / 60, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=8, help="of the sweep: three trials each")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--calm", type=Path, help="folder of the undisturbed run, which is completed if need be")
    parser.add_argument("--server", default="moto")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, server(given.server) as served:
        os.environ.update(served.environment, GRADIENT_COHERENCE_CLAIM_S=str(CLAIM_S))
        PROCESSES.set_forkserver_preload(PRELOADED)
        there = urlsplit(served.environment["AWS_ENDPOINT_URL"])
        proxy = Proxy(there.hostname or "", there.port or 80)
        trials = write_sweep(Path(name) / "faults.yaml", given.seeds, given.epochs)
        run = Campaign(Path(name), served, proxy, random.Random(given.seed), trials)
        try:
            result = {
                "server": given.server,
                "faults": given.faults,
                "seed": given.seed,
                **campaign(run, given.faults, given.calm or run.folder / "calm"),
            }
        finally:
            for driver in run.drivers:
                driver.kill()
            proxy.close()
        log = (run.folder / "drivers.log").read_text(errors="replace")
        print("\n".join(line for line in log.splitlines() if "rror" in line)[-4000:])
    tell(result, given.json)


if __name__ == "__main__":
    main()
