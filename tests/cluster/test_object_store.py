"""A sweep on three hosts that share no folder: its store is in an object store, whose server runs on the head."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
import pytest

from tests.cluster.comparing import assert_same_curves
from tests.cluster.host import SHARED, Host, until
from tests.cluster.hosts import Hosts
from tests.cluster.ray_hosts import PORT, coherence, give_token, start_head, start_ray, start_worker, sweep_file
from tests.object_store import BUCKET
from tests.test_kill import attempts

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(600)]
STORE = f"s3://{BUCKET}/sweep"


@contextmanager
def served_from(host: Host) -> Iterator[dict[str, str]]:
    """moto's server on a host, a stand-in for a real one; the environment that leads to it."""
    log = host.base / "server.json"
    process = host.start("bash", "-c", f"exec python -m tests.object_store {host.address} > {log} < <(sleep infinity)")
    try:
        until(lambda: log.exists() and log.read_text().endswith("\n"), "the S3 server did not start", 60.0)
        yield json.loads(log.read_text())
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def environment(three_hosts: Hosts) -> Iterator[dict[str, str]]:
    """What leads to the server on the head."""
    with served_from(three_hosts[0]) as found:
        yield found


def test_hosts_without_a_common_folder_share_an_object_store(three_hosts: Hosts, environment: dict[str, str]) -> None:
    head, shared = three_hosts[0], three_hosts.shared
    sweep_file(shared)
    head.run(*coherence("run", SHARED / "four.yaml", "--store", SHARED / "local", "--local"))
    for index in range(3):
        three_hosts[index].environment |= environment
    for index in (1, 2):
        three_hosts[index].run("umount", str(SHARED))
    address = start_ray(three_hosts)
    head.run(*coherence("run", SHARED / "four.yaml", "--address", address, "--store", STORE), timeout=300)
    status = json.loads(head.run(*coherence("status", "four", "--store", STORE, "--json")).stdout)
    assert (status["planned"], status["done"]) == (4, 4)
    head.run(*coherence("fsck", "--store", STORE))
    head.run("python", "-m", "tests.fetch", STORE, str(SHARED / "copy"))
    tried: pa.Table = attempts(shared / "copy")
    assert set(tried["outcome"].to_pylist()) == {"completed"}
    assert set(tried["host"].to_pylist()) == {"h1", "h2"}
    assert_same_curves(shared / "copy", shared / "local")


def test_a_node_without_keys_is_refused(three_hosts: Hosts, environment: dict[str, str]) -> None:
    head, worker = three_hosts[0], three_hosts[1]
    sweep_file(three_hosts.shared)
    head.environment |= environment
    worker.environment |= {name: value for name, value in environment.items() if "KEY" not in name}
    give_token([head, worker])
    start_head(head)
    start_worker(worker, head)
    run = coherence("run", SHARED / "four.yaml", "--address", f"{head.address}:{PORT}", "--store", STORE)
    refused = head.run(*run, check=False)
    assert refused.returncode == 2, refused.stdout
    lines = [line for line in refused.stdout.splitlines() if "cannot write to the store" in line]
    assert len(lines) == 1, refused.stdout
    assert f"(h1) cannot write to the store {STORE}: no credentials" in lines[0]
    assert environment["AWS_SECRET_ACCESS_KEY"] not in refused.stdout
    head.run("python", "-m", "tests.fetch", STORE, str(SHARED / "copy"))
    assert {path.name for path in (three_hosts.shared / "copy").iterdir()} == {"_store.json", "sweeps"}
