"""Disturb a sweep on a real Ray cluster of three hosts at random, and compare its store with an undisturbed one.

    python -m benchmarks.cluster_faults [--actions 20] [--seed 40] [--seeds 8] [--json FILE] [--undisturbed FOLDER]

The hosts are network namespaces (`tests/cluster`): a head and two workers of one CPU. Needs root and iproute2. A
seeded schedule kills trial processes, raylets, whole hosts, the driver and the head, sends SIGTERM to trial processes,
and cuts a host off the network until Ray has given it up, while the store stays in its reach: its trial goes on as a
late writer until it is plugged in again. The store's disk is filled, and a worker's mount of it made read-only, for
some seconds, on which the driver gives up. What has ended is started again. A claim lasts six seconds here, and Ray
gives a silent node up after about six. Every kind of action comes up once in 13, unless the sweep ends before.
Prints what was done, the attempts, how many (table, trial) pairs equal the undisturbed ones bit for bit, and what
`coherence fsck` finds in the end.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from benchmarks.disk import Disk, in_own_mounts, read_only_for
from benchmarks.faults import ARMS, add_common, compared, run_undisturbed, sweep
from benchmarks.schedule import Schedule
from orchestrator.fsck import fsck
from orchestrator.store import open_store
from tests.cluster.host import SHARED, Host
from tests.cluster.hosts import Hosts, missing
from tests.cluster.ray_hosts import SURROUNDINGS, coherence, give_token, start_head, start_worker
from tests.test_kill import attempts

QUICK = {
    "GRADIENT_COHERENCE_CLAIM_S": "6",
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "5",
}

ACTIONS = (
    "worker",
    "worker",
    "worker",
    "preempt",
    "preempt",
    "raylet",
    "node",
    "partition",
    "partition",
    "driver",
    "head",
    "full",
    "read-only",
)
CUT_S = 20.0
TRIES = 5
"""Starts of Ray on a host before the campaign is given up."""
FINISH_S = 3600.0
"""Seconds that a driver may take to complete the sweep once nothing disturbs it."""
STORE_MIB = 1536
"""More than the free space that preflight asks for."""


def patiently(host: Host, start: Callable[[], None]) -> None:
    """Start Ray, whatever was left of it: it gives up after 30 seconds, which a busy machine may need more often."""
    for more in range(TRIES - 1, -1, -1):
        host.run("ray", "stop", "--force", check=False, timeout=300.0)
        try:
            return start()
        except AssertionError:
            if not more:
                raise


class Cluster:
    """Three hosts, Ray on them, and a driver on the head."""

    def __init__(self, hosts: Hosts, trials: int, rng: random.Random, disk: Disk) -> None:
        self.hosts, self.trials, self.rng, self.disk = hosts, trials, rng, disk
        self.done, self.codes = Counter[str](), Counter[str]()
        self.schedule = Schedule(ACTIONS, rng)
        self.driver: subprocess.Popen | None = None

    def start(self) -> None:
        """Ray everywhere, and a driver."""
        give_token([self.hosts[index] for index in range(3)], "0" * 64)
        patiently(self.hosts[0], lambda: start_head(self.hosts[0]))
        for index in (1, 2):
            self.join(index)
        self.drive()

    def join(self, index: int) -> None:
        """Ray on a worker, whatever was left of it."""
        patiently(self.hosts[index], lambda: start_worker(self.hosts[index], self.hosts[0]))

    def drive(self) -> None:
        """Start `coherence run` on the head."""
        address = f"{self.hosts[0].address}:6379"
        where = ("--address", address, "--store", SHARED / "disturbed", "--checkpoint-every", "0.5")
        self.driver = self.hosts[0].start(*coherence("run", SHARED / "faults.yaml", *where))

    def disturb(self) -> None:
        """One action; a driver that has ended begins again."""
        time.sleep(self.rng.uniform(4.0, 12.0))
        if self.driver is not None and self.driver.poll() is not None:
            self.codes[str(self.driver.returncode)] += 1
            self.drive()
        action, index = self.schedule.draw(), self.rng.choice((1, 2))
        if self._actions()[action](index) is False:
            self.schedule.put_back(action)
        else:
            self.done[action] += 1

    def worker(self, index: int) -> bool:
        """Kill a trial's process."""
        return self._signal(self.hosts[index], signal.SIGKILL)

    def preempt(self, index: int) -> bool:
        """Ask a trial's process to go."""
        return self._signal(self.hosts[index], signal.SIGTERM)

    def raylet(self, index: int) -> None:
        """Kill Ray's own process on a node."""
        self.hosts[index].kill("raylet/raylet")
        time.sleep(self.rng.uniform(0.0, 8.0))
        self.join(index)

    def node(self, index: int) -> None:
        """Pull a host's plug."""
        self.hosts[index].crash()
        time.sleep(self.rng.uniform(0.0, 8.0))
        self.hosts.boot(index)
        self.join(index)

    def partition(self, index: int) -> None:
        """Cut a host off until it has been given up, then plug it in again."""
        self.hosts.cut(index)
        time.sleep(CUT_S)
        self.hosts.restore(index)
        time.sleep(3.0)
        self.join(index)

    def kill_driver(self, index: int) -> None:
        """Kill the driver and start another."""
        del index
        assert self.driver is not None
        self.hosts[0].kill("faults.yaml")
        self.driver.wait()
        self.drive()

    def head(self, index: int) -> None:
        """Pull the head's plug, and the driver's with it; the whole cluster is started anew."""
        del index
        self.hosts[0].crash()
        assert self.driver is not None
        self.driver.wait()
        self.hosts.boot(0)
        self.start()

    def full(self, index: int) -> None:
        """Leave no room in the store for a while."""
        del index
        self.disk.full(self.rng.uniform(2.0, 10.0))

    def read_only(self, index: int) -> bool:
        """Let a worker's host mount the store read-only for a while. On the head the driver's log is always open."""
        host = self.hosts[index]
        return read_only_for(
            self.rng.uniform(2.0, 10.0), lambda options: host.command("mount", "-o", options, str(SHARED)), "bind,"
        )

    def _actions(self) -> dict[str, Callable[[int], bool | None]]:
        named = {"driver": self.kill_driver, "read-only": self.read_only}
        return {**{name: getattr(self, name) for name in set(ACTIONS) - set(named)}, **named}

    def _signal(self, host: Host, number: signal.Signals) -> bool:
        trials = [pid for pid, line in host.processes().items() if line.startswith("ray::ResourceTrainable")]
        for pid in trials[:1]:
            os.kill(pid, number)
        return bool(trials)

    def finished(self) -> bool:
        """Whether every trial is done."""
        return len(list(self.hosts.shared.glob("disturbed/trials/*/part-0.parquet"))) == self.trials


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--actions", type=int, default=26)
    parser.add_argument("--seed", type=int, default=40)
    add_common(parser)
    given = parser.parse_args()
    if why := missing():
        raise SystemExit(why)
    in_own_mounts("benchmarks.cluster_faults")
    with tempfile.TemporaryDirectory() as name:
        calm = run_undisturbed(given.undisturbed or Path(name) / "undisturbed", given.seeds)
        disk = Disk(Path(name) / "shared", STORE_MIB)
        try:
            with Hosts(3, Path(name), {**SURROUNDINGS, **QUICK}) as hosts:
                (hosts.shared / "faults.yaml").write_text(sweep(given.seeds))
                cluster = Cluster(hosts, ARMS * given.seeds, random.Random(given.seed), disk)
                result = campaign(cluster, given.actions, calm)
        finally:
            disk.remove()
    print(json.dumps(result))
    if given.json:
        given.json.parent.mkdir(exist_ok=True)
        given.json.write_text(
            json.dumps({"seed": given.seed, "seeds": given.seeds, "actions": given.actions, **result}, indent=1) + "\n"
        )


def campaign(cluster: Cluster, actions: int, undisturbed: Path) -> dict[str, object]:
    """Disturb, complete, compare."""
    began = time.monotonic()
    cluster.start()
    while cluster.done.total() < actions and not cluster.finished():
        cluster.disturb()
        print(dict(cluster.done), flush=True)
    assert cluster.driver is not None
    cluster.driver.wait(timeout=FINISH_S)
    codes = [cluster.driver.returncode]
    while not cluster.finished() and len(codes) < 4:
        cluster.drive()
        codes.append(cluster.driver.wait(timeout=FINISH_S))
    store = cluster.hosts.shared / "disturbed"
    return {
        **{action: cluster.done[action] for action in sorted(set(ACTIONS))},
        "trials": cluster.trials,
        "done": len(list(store.glob("trials/*/part-0.parquet"))),
        "attempts": attempts(store).num_rows,
        "ended": dict(sorted(cluster.codes.items())),
        "codes": codes,
        **compared(store, undisturbed),
        "fsck": dict(sorted(Counter(finding.kind for finding in fsck(open_store(store))).items())),
        "minutes": round((time.monotonic() - began) / 60, 1),
    }


if __name__ == "__main__":
    main()
