"""Failed trials of a sweep, grouped by what went wrong: as many lines as there are causes, however many trials."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from orchestrator.errors import one_line
from orchestrator.failures import FAILURES
from orchestrator.history import newest_attempt
from orchestrator.reading import Damage
from orchestrator.states import trial_states
from orchestrator.store import Store

NEXT_MOVES = {
    "bug": "read the traceback, mend the cause, then: {retry}",
    "device-memory": "give each trial more of a GPU (`resources.gpu`, or `auto`) or a smaller batch, then: {retry}",
    "host-memory": "run fewer trials at once (--workers, or a larger `resources.cpu`), then: {retry}",
    "infrastructure": "see that disk, network and nodes are well, then: {retry}",
    "time-out": "resume from the checkpoints, with more time or none set: {retry}",
}


@dataclass(frozen=True)
class FailureGroup:
    """Failed trials that share class and fingerprint. line: the last one of the example's traceback."""

    failure: str
    fingerprint: str
    count: int
    line: str
    example: str
    next_move: str

    def as_json(self) -> dict[str, Any]:
        """The form that `failures --json` prints."""
        return asdict(self)


def group_failures(
    store: Store, sweep: str, trial_ids: Iterable[str], damage: Damage, at: str = ""
) -> list[FailureGroup]:
    """Groups of the trials whose newest attempt failed, largest first; example: the first in the sweep's order.

    at: what a command needs beside the sweep to find the store.
    """
    found = defaultdict[tuple[str, str], list[dict[str, Any]]](list)
    for identity, state in trial_states(store, trial_ids, damage).items():
        if state == "failed":
            row = newest_attempt(store, identity)
            found[str(row.get("failure") or "bug"), str(row.get("fingerprint"))].append(row)
    groups = [_group(sweep, at, *key, rows) for key, rows in found.items()]
    return sorted(groups, key=lambda group: (-group.count, FAILURES.index(group.failure), group.fingerprint))  # type: ignore[arg-type]


def _group(sweep: str, at: str, failure: str, fingerprint: str, rows: list[dict[str, Any]]) -> FailureGroup:
    message = str(rows[0]["message"] or "no traceback is recorded").strip()
    retry = f"coherence retry {sweep} --only {failure}{at}"
    return FailureGroup(
        failure,
        fingerprint,
        len(rows),
        one_line(message.splitlines()[-1], 200),
        rows[0]["trial_id"],
        NEXT_MOVES[failure].format(retry=retry),
    )


def failure_lines(sweep: str, groups: Sequence[FailureGroup], store: Store) -> Iterator[str]:
    """What `failures` prints."""
    if not groups:
        yield f"sweep {sweep}: nothing failed"
        return
    yield f"sweep {sweep}: {sum(group.count for group in groups)} failed, causes: {len(groups)}"
    for group in groups:
        yield f"{group.count:>6}  {group.failure}  {group.line}"
        yield f"        e.g. {group.example}, traceback in {store.root / 'attempts' / group.example}"
        yield f"        {group.next_move}"
