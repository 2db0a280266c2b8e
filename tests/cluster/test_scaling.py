"""A head whose workers are still to be started: the sweep is not refused, its waiting trials ask for them and use them.

The test plays the autoscaler: Ray's wheel lacks the file that its stand-in for a cloud needs.
"""

import json
import subprocess

import pytest
import yaml

from tests.cluster.host import SHARED, until
from tests.cluster.hosts import Hosts
from tests.cluster.ray_hosts import PORT, coherence, give_token, start_head, start_worker, sweep_file
from tests.test_kill import attempts

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(400)]
ASK_S = 90.0
FILE = {
    "max_workers": 2,
    "available_node_types": {
        "head": {"resources": {"CPU": 0}, "node_config": {}},
        "worker": {"resources": {"CPU": 1}, "node_config": {}, "min_workers": 0, "max_workers": 2},
    },
    "head_node_type": "head",
}


def waiting_run(hosts: Hosts) -> subprocess.Popen:
    """A sweep on a head alone, once its trials ask for a node."""
    head, worker, shared = hosts[0], hosts[1], hosts.shared
    give_token([head, worker])
    sweep_file(shared)
    start_head(head)
    (head.home / "ray_bootstrap_config.yaml").write_text(yaml.safe_dump(FILE))
    run = head.start(*coherence("run", SHARED / "four.yaml", "--address", "auto", "--store", SHARED / "store"))
    ask = ("ray", "status", f"--address={head.address}:{PORT}")
    until(lambda: "{'CPU': 1.0}" in head.run(*ask, check=False).stdout, "no trial asks for a node", ASK_S)
    assert run.poll() is None
    return run


def test_waiting_trials_ask_for_workers_and_use_them(three_hosts: Hosts) -> None:
    head, shared = three_hosts[0], three_hosts.shared
    run = waiting_run(three_hosts)
    start_worker(three_hosts[1], head)
    assert run.wait(timeout=200) == 0
    status = json.loads(head.run(*coherence("status", "four", "--store", SHARED / "store", "--json")).stdout)
    assert (status["planned"], status["done"]) == (4, 4)
    assert set(attempts(shared / "store")["host"].to_pylist()) == {"h1"}


def test_a_node_that_joins_without_the_store_ends_the_launch_with_one_line(three_hosts: Hosts) -> None:
    head, late = three_hosts[0], three_hosts[1]
    run = waiting_run(three_hosts)
    late.run("umount", str(SHARED))
    start_worker(late, head)
    assert run.wait(timeout=200) == 2
    said = (head.base / "console.txt").read_text()
    assert said.count("does not see the store /mnt/store/store") == 1, said
    assert not list((three_hosts.shared / "store/attempts").rglob("*.parquet"))
