"""Looks at everything in a store and says what is wrong with it, and what to do; changes nothing.

Checked are the files themselves, what they say of one another (ids, specs, numbers of rows), and what should not
be there any more. `orchestrator.repair` does what is safe about it.
"""

from collections.abc import Iterator

from orchestrator.contents import Contents
from orchestrator.errors import UserError
from orchestrator.findings import TEMPORARY, Finding, Remedy, is_old, within
from orchestrator.reading import Damage
from orchestrator.states import trial_states
from orchestrator.store import COMPACTED, Store
from trainables.location import Location, in_order
from trainables.records import CURVES, PARTED

_MADE_FROM_THE_STORE = ("figures", "reports", "logs", "wandb")


def fsck(store: Store) -> list[Finding]:
    """Everything that is wrong with a store, by path; an empty list says that it is whole."""
    if not store.exists:
        raise UserError(f"there is no store at {store.root}; name one with --store.")
    contents = Contents(store)
    found = [*contents.read()]
    for check in (_miscounted, _open_attempts, _orphans, _outlived):
        found += check(contents)
    found += _temporaries(store, store.root)
    return sorted(found, key=lambda finding: (finding.path, finding.kind))


def _miscounted(contents: Contents) -> Iterator[Finding]:
    """Finished trials with other numbers of rows than their own `trials` row declares."""
    for identity, (folder, row) in contents.finished.items():
        for table in CURVES:
            declared, found = row.get(f"rows_{table}"), contents.counts[table, folder, identity]
            if declared is not None and declared != found and (table, folder) not in contents.damaged:
                path = within(contents.store, contents.store.root / table / folder)
                why = f"{found} rows of trial {identity}, `trials` declares {declared}"
                remedy = contents.remedy(folder) if folder == identity else None
                yield Finding(path, "rows", why, contents.advice(folder), identity, remedy)


def _open_attempts(contents: Contents) -> Iterator[Finding]:
    """Attempts that nobody said the end of, and that nobody is at."""
    still = [(path, row) for path, row in contents.attempts if row["outcome"] == "running"]
    states = trial_states(contents.store, {row["trial_id"] for _, row in still}, Damage())
    newest: dict[str, int] = {}
    for _, row in contents.attempts:
        newest[row["trial_id"]] = max(row["attempt"], newest.get(row["trial_id"], 0))
    for path, row in still:
        identity, number = row["trial_id"], row["attempt"]
        last = number == newest[identity] and identity not in contents.finished
        if last and states[identity] == "running":
            continue
        own = path == contents.store.attempt_file(identity, number)
        remedy: Remedy | None = "close" if own and not last else None
        advice = "the next run of its sweep closes it" if remedy is None else "--repair closes it"
        why = f"attempt {number} at trial {identity} has no end, and nobody is at it"
        yield Finding(within(contents.store, path), "open-attempt", why, advice, identity, remedy, number)


def _orphans(contents: Contents) -> Iterator[Finding]:
    store = contents.store
    known = {*contents.planned, *store.trial_folders("attempts"), COMPACTED}
    known |= {row["trial_id"] for _, row in contents.attempts}
    for table in ("trials", *PARTED, "checkpoints", "claims"):
        for folder in store.trial_folders(table):
            if folder not in known:
                why = "of a trial that no sweep names and no attempt was made at"
                path = within(store, store.root / table / folder)
                yield Finding(path, "orphan", why, "delete the folder if nobody misses it", folder)


def _outlived(contents: Contents) -> Iterator[Finding]:
    """Checkpoints and claims of finished trials."""
    for table in ("checkpoints", "claims"):
        for identity in contents.store.trial_folders(table):
            if identity in contents.finished:
                path, why = contents.store.root / table / identity, "its trial is finished and needs it no more"
                yield Finding(within(contents.store, path), "leftover", why, "--repair deletes it", identity, "delete")


def _temporaries(store: Store, folder: Location) -> Iterator[Finding]:
    for path in in_order(folder.iterdir()):
        if path.is_dir() and not (folder == store.root and path.name in _MADE_FROM_THE_STORE):
            yield from _temporaries(store, path)
        elif path.is_file() and TEMPORARY.fullmatch(path.name):
            yield _temporary(store, path)


def _temporary(store: Store, path: Location) -> Finding:
    if is_old(path):
        why = "a temporary file that a killed writer left"
        return Finding(within(store, path), "leftover", why, "--repair deletes it", remedy="delete")
    return Finding(within(store, path), "leftover", "a temporary file", "it may be in use: look again in an hour")
