"""Does about a store's findings what loses nothing that cannot be made again, and says what it left.

Deleted are old temporaries, and checkpoints and claims of finished trials. A finished trial with damaged or
missing rows is forgotten: it becomes pending, and the next run makes it again. No row of a sweep or an attempt
is deleted, and nothing of an unfinished trial is touched.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.errors import StoreWriteError, reason
from orchestrator.findings import Finding, is_old
from orchestrator.history import close_lost
from orchestrator.store import Store
from trainables.location import remove_tree


@dataclass(frozen=True)
class Repair:
    """done: lines that say what was done. left: findings that are still there."""

    done: list[str]
    left: list[Finding]


def repair(store: Store, findings: Sequence[Finding]) -> Repair:
    """Apply the remedy of each finding that has one; a trial is forgotten once, whatever was found of it."""
    forgotten = sorted({each.trial_id for each in findings if each.remedy == "forget" and each.trial_id})
    try:
        done = [line for finding in findings for line in _apply(store, finding)]
        for identity in forgotten:
            store.forget(identity)
            done.append(f"forgot trial {identity}: the next run of its sweep makes it again")
    except OSError as error:
        raise StoreWriteError(f"store {store.root} cannot be repaired: {reason(error)}; repair it again.") from error
    return Repair(done, [finding for finding in findings if finding.remedy is None])


def _apply(store: Store, finding: Finding) -> list[str]:
    path = store.root / finding.path
    if finding.remedy == "close" and finding.trial_id and finding.attempt is not None:
        close_lost(store, finding.trial_id, finding.attempt, "infrastructure", "its process ended without a word")
        return [f"closed {finding.path}"]
    if finding.remedy != "delete" or not path.exists():
        return []
    if path.is_dir():
        remove_tree(path)
    elif is_old(path):
        path.unlink(missing_ok=True)
    return [f"deleted {finding.path}"]
