"""`ray up docs/cluster-local.yaml` over SSH from a fourth host, then a sweep by `ray exec`, as docs/cluster.md says."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import ssh
from tests.cluster.comparing import assert_same_curves
from tests.cluster.host import ROOT, SHARED, Host, until
from tests.cluster.hosts import Hosts, missing
from tests.cluster.ray_hosts import coherence, sweep_file
from tests.test_kill import attempts

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(600)]
JOIN_S = 120.0
FILE = ROOT / "docs/cluster-local.yaml"


@pytest.fixture
def four_hosts(tmp_path: Path) -> Iterator[Hosts]:
    """h0 to h2 for the cluster and h3 for its operator, with sshd on each."""
    if why := missing() or ssh.missing():
        pytest.skip(why)
    hosts = Hosts(4, tmp_path)
    ssh.serve_ssh(hosts)
    with hosts:
        yield hosts


def filled_in(hosts: Hosts) -> str:
    """The shipped file with these hosts in place of its placeholders."""
    values = {
        "HEAD": hosts[0].address,
        "WORKER-1": hosts[1].address,
        "WORKER-2": hosts[2].address,
        "~/.ssh/id_ed25519": str(hosts[3].base / "key"),
        "/opt/gradient-coherence/.venv": sys.prefix,
    }
    text = FILE.read_text().replace("$RAY_HEAD_IP", "$RAY-IP")
    for placeholder, value in values.items():
        assert placeholder in text
        text = text.replace(placeholder, value)
    return text.replace("$RAY-IP", "$RAY_HEAD_IP")


def joined(head: Host) -> int:
    """Nodes of the cluster, active or idle, as `ray status` counts them."""
    command = ("env", "RAY_AUTH_MODE=token", "ray", "status", f"--address={head.address}:6379")
    status = head.run(*command, check=False).stdout.partition("Pending:")[0]
    return sum(map(int, re.findall(r"(\d+) local\.cluster\.node", status)))


def test_from_an_operators_machine_to_a_finished_sweep(four_hosts: Hosts) -> None:
    operator, shared = four_hosts[3], four_hosts.shared
    sweep_file(shared)
    (shared / "cluster.yaml").write_text(filled_in(four_hosts))
    cluster = str(SHARED / "cluster.yaml")
    operator.run("ray", "get-auth-token", "--generate")
    operator.run("ray", "up", "--yes", "--no-config-cache", cluster, timeout=200)
    until(lambda: joined(four_hosts[0]) == 3, "the head did not start Ray on both workers", JOIN_S)
    tokens = {(four_hosts[index].home / ".ray/auth_token").read_text() for index in range(3)}
    assert tokens == {(operator.home / ".ray/auth_token").read_text()}
    run = coherence("run", SHARED / "four.yaml", "--address", "auto", "--store", SHARED / "store")
    operator.run("ray", "exec", cluster, " ".join(["RAY_AUTH_MODE=token", *run]), timeout=300)
    status = json.loads(operator.run(*coherence("status", "four", "--store", SHARED / "store", "--json")).stdout)
    assert (status["planned"], status["done"]) == (4, 4)
    assert set(attempts(shared / "store")["host"].to_pylist()) <= {"h1", "h2"}
    operator.run(*coherence("run", SHARED / "four.yaml", "--store", SHARED / "local", "--local"))
    assert_same_curves(shared / "store", shared / "local")
    operator.run("ray", "down", "--yes", cluster)
