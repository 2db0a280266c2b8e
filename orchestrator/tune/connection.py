"""A connection to a running cluster, or to a Ray of one's own that ends with it."""

import signal
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path

import ray

from orchestrator.address import TOKEN, no_cluster
from orchestrator.errors import one_line
from orchestrator.resources import ClusterError
from orchestrator.stop import kept_handler
from orchestrator.tune.settings import OBJECT_STORE_BYTES


@contextmanager
def connected(address: str | None, scratch: Path) -> Iterator[None]:
    """Connected to the cluster at `address`; None starts a Ray below `scratch`, or takes the one that this process is
    connected to already."""
    if address is None and ray.is_initialized():
        yield
        return
    # The workers' import path begins with the driver's folder: an empty one shadows nothing.
    empty = scratch / "empty"
    empty.mkdir()
    with chdir(empty), kept_handler(signal.SIGTERM):
        _connect(address, scratch)
    try:
        yield
    finally:
        ray.shutdown()


def _connect(address: str | None, scratch: Path) -> None:
    if address is None:
        _start(scratch)
        return
    try:
        ray.init(address=address)
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.AuthenticationError) as error:
        raise no_cluster(address, f"{one_line(str(error), 200)}; {TOKEN}") from error


def _start(scratch: Path) -> None:
    try:
        ray.init(
            address="local",
            include_dashboard=False,
            object_store_memory=OBJECT_STORE_BYTES,
            _temp_dir=str(scratch / "ray"),
        )
    except Exception as error:  # Ray has no narrower class for processes that do not start in its 30 seconds
        why = one_line(str(error), 200)
        raise ClusterError(
            f"Ray did not start here ({why}); is the machine very busy? Run again, or --local."
        ) from error
