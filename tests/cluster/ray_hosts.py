"""Ray started by hand on hosts of `tests.cluster.hosts`: the first is the head and runs no trial."""

import secrets
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.cluster.host import Host
from tests.cluster.hosts import Hosts

PORT = 6379
SURROUNDINGS = {
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DISABLE_IMPORT_WARNING": "1",
    "OMP_NUM_THREADS": "1",
}
START_S = 300.0
"""Seconds that Ray may take to start on a busy machine."""
LEAN = ("--object-store-memory=80000000", "--disable-usage-stats")


def give_token(hosts: Sequence[Host], token: str | None = None) -> None:
    """Write one token where Ray looks for it in each home."""
    token = token or secrets.token_hex(32)
    for host in hosts:
        file = host.home / ".ray" / "auth_token"
        file.parent.mkdir(exist_ok=True)
        file.write_text(token)
        file.chmod(0o600)


def start_head(host: Host) -> None:
    """The head, without CPUs for trials."""
    address = (f"--node-ip-address={host.address}", f"--port={PORT}", "--dashboard-host=127.0.0.1")
    host.run("ray", "start", "--head", *address, "--num-cpus=0", "--include-dashboard=false", *LEAN, timeout=START_S)


def start_worker(host: Host, head: Host, cpus: int = 1) -> None:
    """A node that joins the head's cluster."""
    join = (f"--address={head.address}:{PORT}", f"--node-ip-address={host.address}", f"--num-cpus={cpus}")
    host.run("ray", "start", *join, *LEAN, timeout=START_S)


def start_ray(hosts: Hosts) -> str:
    """Ray on every host, with one token; the address for `--address`."""
    members = [hosts[index] for index in range(len(hosts))]
    give_token(members)
    start_head(members[0])
    for host in members[1:]:
        start_worker(host, members[0])
    return f"{members[0].address}:{PORT}"


def coherence(*arguments: str | Path) -> list[str]:
    """The command line of `coherence ARGUMENTS` from the checkout."""
    return [sys.executable, "-m", "orchestrator.cli", *map(str, arguments)]


def sweep_file(folder: Path) -> Path:
    """A sweep of four trials of a few seconds, written to `folder`; the path."""
    path = folder / "four.yaml"
    path.write_text(SWEEP)
    return path


SWEEP = """
name: four
axes:
  aggregator: [mean, {name: winsorized, level: 4}]
  seed: {range: [0, 2]}
fixed:
  dataset: digits
  model: {name: mlp, widths: [32]}
  corruption: {name: permuted-labels, fraction: 0.5}
  optimizer: {name: sgd, lr: 0.2}
  batch_size: 32
  epochs: 5
measure:
  probe: {examples: 200, schedule: {every: 20}}
  evaluate: {schedule: {every: 20}}
"""
