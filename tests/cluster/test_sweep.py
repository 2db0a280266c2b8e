"""A sweep on three hosts, started from the head: all trials done, on several hosts, with a local run's numbers."""

import json

import pytest

from tests.cluster.comparing import assert_same_curves
from tests.cluster.host import SHARED
from tests.cluster.hosts import Hosts
from tests.cluster.ray_hosts import coherence, give_token, start_head, start_ray, start_worker, sweep_file
from tests.test_kill import attempts

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(600)]


def test_a_sweep_runs_on_all_hosts_with_the_numbers_of_a_local_run(three_hosts: Hosts) -> None:
    head, shared = three_hosts[0], three_hosts.shared
    sweep_file(shared)
    head.run(*coherence("run", SHARED / "four.yaml", "--store", SHARED / "local", "--local"))
    address = start_ray(three_hosts)
    run = coherence("run", SHARED / "four.yaml", "--address", address, "--store", SHARED / "store")
    head.run(*run, timeout=300)
    status = json.loads(head.run(*coherence("status", "four", "--store", SHARED / "store", "--json")).stdout)
    assert (status["planned"], status["done"]) == (4, 4)
    tried = attempts(shared / "store")
    assert set(tried["outcome"].to_pylist()) == {"completed"}
    assert set(tried["host"].to_pylist()) == {"h1", "h2"}
    assert_same_curves(shared / "store", shared / "local")
    again = head.run(*run)
    assert len(attempts(shared / "store")) == len(tried), again.stdout


def test_a_node_with_another_token_does_not_join(three_hosts: Hosts) -> None:
    head, stranger = three_hosts[0], three_hosts[1]
    for host in (head, stranger):
        give_token([host])
    start_head(head)
    with pytest.raises(AssertionError, match=r"(?i)token"):
        start_worker(stranger, head)
