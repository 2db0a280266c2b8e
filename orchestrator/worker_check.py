"""What a worker asks of its node before a trial: what `preflight` asks of the nodes that are there at the start.

A node that an autoscaler adds later is found out so by one clear line that ends the launch, not by a failure of every
trial that it gets. Its clock is not looked at: only the driver could compare it.
"""

import json
import socket
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from orchestrator import packages, preflight
from orchestrator.data_here import missing_data
from orchestrator.launch import ForWorkers
from orchestrator.resources import ClusterError
from trainables.location import locate
from trainables.records import STORE_FILE
from trainables.remote import RemotePath


def require_fit(launch: ForWorkers, spec: str) -> None:
    """Raises ClusterError where this node has other sources or versions than the driver, does not see the store, or
    lacks the data of this trial (`spec`: its canonical JSON). What was good once is not looked at again."""
    fault = (
        _other_sources(launch.digest)
        or preflight.other_versions(_versions_here(tuple(launch.plugins.items())), launch.versions)
        or _no_store(launch)
        or _no_data(json.dumps(json.loads(spec)["dataset"], sort_keys=True))
    )
    if fault:
        raise ClusterError(f"a worker on {socket.gethostname()} {fault}")


def _other_sources(digest: str) -> str | None:
    if _digest_here() == digest:
        return None
    return (
        f"sees other sources of {', '.join(packages.NUMERICS)} ({packages.locate('trainables')}) than the process that"
        " started the sweep: they were edited since, or its node has another version."
    )


def _no_store(launch: ForWorkers) -> str | None:
    """The request to stop is a file beside the logs in the store, which the driver has made; in an object store, where
    there are no folders, the store's own file is looked for."""
    store = locate(launch.options.store)
    seen = (store / STORE_FILE).exists() if isinstance(store, RemotePath) else Path(launch.flag).parent.is_dir()
    if seen:
        return None
    return f"does not see the store {launch.options.store}. {preflight.SHARE}"


def _no_data(dataset: str) -> str | None:
    if dataset not in _GOOD:
        if faults := missing_data([dataset]):
            return f"cannot load what its trial reads: {faults[0]}"
        _GOOD.add(dataset)
    return None


_GOOD: set[str] = set()
"""Data sets that this process could load."""


@cache
def _digest_here() -> str:
    return packages.sources_digest(packages.NUMERICS)


@cache
def _versions_here(plugins: tuple[tuple[str, str], ...]) -> Mapping[str, str]:
    return preflight.versions(dict(plugins))
