"""What the driver refuses on real hosts, before any trial: a node without the store, a driver without the token."""

import pytest

from tests.cluster.host import SHARED
from tests.cluster.hosts import Hosts
from tests.cluster.ray_hosts import PORT, coherence, give_token, start_head, start_worker, sweep_file

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(400)]


def test_a_node_that_does_not_see_the_store_and_a_driver_without_the_token(three_hosts: Hosts) -> None:
    head, worker, stranger = three_hosts[0], three_hosts[1], three_hosts[2]
    sweep_file(three_hosts.shared)
    give_token([head, worker])
    give_token([stranger])
    start_head(head)
    worker.run("umount", str(SHARED))
    start_worker(worker, head)
    run = coherence("run", SHARED / "four.yaml", "--address", f"{head.address}:{PORT}", "--store", SHARED / "store")
    unshared = head.run(*run, check=False)
    assert unshared.returncode == 2, unshared.stdout
    assert "(h1) cannot write to the store /mnt/store/store: No such file" in unshared.stdout
    assert not list((three_hosts.shared / "store").glob("preflight-*"))
    refused = stranger.run(*run, check=False)
    assert refused.returncode == 2, refused.stdout
    assert "RAY_AUTH_MODE=token" in refused.stdout
    assert not list((three_hosts.shared / "store/attempts").rglob("*.parquet"))
