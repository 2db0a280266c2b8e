"""Is there anything at a cluster's address? Ray itself would keep trying for ever, and say so only in its log."""

import re
import socket

from orchestrator.resources import ClusterError

ANSWER_S = 5.0
ADVICE = "Start a cluster with `ray up cluster.yaml`, or leave --address out to use this machine."

TOKEN = "a cluster that asks for its token needs RAY_AUTH_MODE=token and its head's ~/.ray/auth_token here"

_HOST_PORT = re.compile(r"\[?(?P<host>[^\s/\[\]]+?)\]?:(?P<port>\d{1,5})")


def require_answer(address: str) -> None:
    """Refuse an address that is none, or at which nothing accepts a connection. `auto` is left to Ray."""
    if address == "auto":
        return
    found = _HOST_PORT.fullmatch(address)
    if found is None or int(found["port"]) > 65535:
        raise ClusterError(
            f"--address: given {address!r}, expected HOST:PORT of the head node (the port is usually 6379), or auto."
        )
    try:
        socket.create_connection((found["host"], int(found["port"])), timeout=ANSWER_S).close()
    except OSError as error:
        raise no_cluster(address, error.strerror or str(error)) from error


def no_cluster(address: str, why: str) -> ClusterError:
    """The error for an address at which there is no Ray."""
    return ClusterError(f"no Ray cluster answers at {address!r} ({why}). {ADVICE}")
