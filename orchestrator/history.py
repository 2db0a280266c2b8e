"""The rows that a trial's attempts left behind: counting failures, and closing the row of one that cannot any more.

A row belongs to its attempt while that lives. Once the attempt is known to be gone (Ray said so, or the next one
begins and has waited for it) its open row is closed for it. Should it be alive after all, it sees the next
attempt's row before it writes anything, and leaves a closed row as it is.
"""

from typing import Any

from orchestrator.failures import Failure
from orchestrator.reading import Damage
from orchestrator.store import Store
from trainables.records import SCHEMAS, part_number, write_part

LOST = "WorkerLostError"
"""error_class of an attempt whose process ended without a word."""


def attempt_row(store: Store, identity: str, attempt: int) -> dict[str, Any]:
    """The whole row of one attempt; empty where it is absent or cannot be read."""
    rows = Damage().rows(store.attempt_file(identity, attempt), SCHEMAS["attempts"].names)
    return rows[0] if rows else {}


def newest_attempt(store: Store, identity: str) -> dict[str, Any]:
    """The whole row of the attempt that began last; empty without one."""
    number = store.next_attempt(identity) - 1
    return attempt_row(store, identity, number) if number >= 0 else {}


def failures_since(store: Store, identity: str, first: int) -> list[str]:
    """Classes of the attempts from number `first` on that failed or were preempted."""
    numbers = [part_number(path) for path in store.parts("attempts", identity)]
    rows = [attempt_row(store, identity, number) for number in numbers if number >= first]
    return [row["failure"] for row in rows if row.get("failure")]


def is_open(store: Store, identity: str, attempt: int) -> bool:
    """Whether nobody has said yet how this attempt ended."""
    return attempt_row(store, identity, attempt).get("outcome") == "running"


def record_lost(store: Store, identity: str, attempt: int, failure: Failure, why: str) -> None:
    """The row of an attempt whose process ended before it wrote any: so it counts among those that failed."""
    row = {
        "trial_id": identity,
        "attempt": attempt,
        "outcome": "failed",
        "failure": failure,
        "error_class": LOST,
        "fingerprint": failure,
        "message": why,
    }
    write_part(store.attempt_file(identity, attempt), "attempts", [row], tag="closing")


def close_lost(store: Store, identity: str, attempt: int, failure: Failure, why: str) -> bool:
    """Close the row of an attempt that is gone, if it is open; whether it was. When it ended is not known."""
    row = attempt_row(store, identity, attempt)
    if row.get("outcome") != "running":
        return False
    closed = {**row, "outcome": "failed", "failure": failure, "error_class": LOST, "message": why}
    write_part(store.attempt_file(identity, attempt), "attempts", [{**closed, "fingerprint": failure}], tag="closing")
    return True
