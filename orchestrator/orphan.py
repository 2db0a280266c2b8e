"""Workers that outlive a killed driver for a moment: a new attempt lets them end before it touches the parts.

The rule for both sides: the highest attempt number owns the trial. An older attempt sees the newer one's row
before its next write and stops (`SupersededError`); a newer one waits here for an older process on its host.
"""

import os
import socket
import time
from pathlib import Path

import pyarrow.parquet as pq

from orchestrator.store import Store

PATIENCE_S = 15.0
_POLL_S = 0.05


def await_previous(store: Store, identity: str, attempt: int) -> None:
    """Wait until the attempt before this one, if it is open and its process lives on this host, has ended."""
    path = store.attempt_file(identity, attempt - 1)
    if attempt == 0 or not path.exists():
        return
    limit = time.monotonic() + PATIENCE_S
    while _runs_here(path) and time.monotonic() < limit:
        time.sleep(_POLL_S)


def _runs_here(path: Path) -> bool:
    row = pq.read_table(path, columns=["outcome", "host", "pid"]).to_pylist()[0]
    if row["outcome"] != "running" or row["host"] != socket.gethostname() or row["pid"] == os.getpid():
        return False
    try:
        os.kill(row["pid"], 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's process: it has our old number and is none of ours
        return False
    return True
