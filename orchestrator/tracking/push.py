"""Mirrors finished trials to W&B, from the store, one run a trial, and what a sweep came to as one more.

What was pushed is remembered, so that a second push sends only what is new, and a push that broke off is simply
repeated.
"""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from orchestrator.errors import UserError
from orchestrator.quiet import log_path, quiet
from orchestrator.reading import Damage
from orchestrator.revisions import known_revision
from orchestrator.states import is_finished, trial_states
from orchestrator.store import Store, open_store
from orchestrator.tracking.door import Mode, TrackingError, cause_of, check_space, discard, files_of, open_run, service
from orchestrator.tracking.ledger import Key, Ledger
from orchestrator.tracking.mirror import mirror
from orchestrator.tracking.overview import Attach, Overview, overview, send_overview
from orchestrator.tracking.pace import RUNS_PER_MINUTE, Pace
from trainables.location import Location


def push(
    store: Location,
    sweep: str,
    mode: Mode,
    project: str,
    entity: str | None,
    *,
    attach: Attach | None = None,
    trials: bool = True,
    per_minute: float = RUNS_PER_MINUTE,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Send the sweep's finished trials that were not sent yet to this mode, project and entity; say how many runs.

    One run a trial: id is the trial's, group the sweep. A trial that two sweeps share is one run, in the
    group of the sweep that was pushed first. attach: gives the figures and claims for the sweep's own run, of job type
    `overview`, which is sent anew whenever the finished trials are others than before; without `trials` it is all that
    is sent. Offline runs lie in `<store>/wandb/offline-run-*` (of a store at s3://, in a folder of this machine), ready
    for `wandb sync`. Online,
    at most `per_minute` runs are begun in a minute, and a run that is refused for the rate is sent again after a pause.

    Raises UserError for a sweep that the store does not know, TrackingError where W&B fails:
    show it as one warning.
    """
    if per_minute < 1:
        raise UserError(f"--per-minute: given {per_minute}, expected 1 or more.")
    opened, ledger = open_store(store), Ledger(store)
    sent, finished = ledger.read(), finished_of(opened, sweep)
    keys = [(mode, project, entity, identity) for identity in finished]
    missing: list[Key] = [key for key in keys if trials and key not in sent]
    whole = overview(opened, sweep, finished) if attach and finished else None
    if whole and (mode, project, entity, whole.identity) in sent:
        whole = None
    if not missing and whole is None:
        return 0
    log = log_path(store, "wandb")
    pushed, wanted = 0, len(missing) + (whole is not None)
    send = Pace(per_minute, sleep=sleep).send if mode == "online" else _at_once
    try:
        with quiet(log), files_of(store, mode) as folder, service() as wandb:
            for key in missing:
                send(partial(_push_trial, wandb, opened, sweep, key, folder))
                ledger.add(key)
                pushed += 1
            if whole is not None and attach is not None:
                key = (mode, project, entity, whole.identity)
                send(partial(_push_overview, wandb, whole, attach, key, folder))
                ledger.add(key)
                pushed += 1
    except Exception as error:
        raise TrackingError(_warning(error, pushed, wanted, log), pushed) from error
    return pushed


def _at_once(work: Callable[[], None]) -> None:
    work()


def finished_of(store: Store, sweep: str) -> list[str]:
    """Trials of the sweep's newest revision that are done. Raises UserError for an unknown sweep."""
    _, _, identities = known_revision(store, sweep)
    states = trial_states(store, identities, Damage())
    return [identity for identity in identities if is_finished(states[identity])]


def _push_trial(wandb: Any, store: Store, sweep: str, key: Key, folder: Path) -> None:
    mode, project, entity, identity = key
    trial = mirror(store, identity)
    given = {
        "id": trial.trial_id,
        "name": trial.name,
        "group": sweep,
        "job_type": "trial",
        "tags": [sweep, *dict.fromkeys(trial.tags)],
        "config": trial.config,
    }
    with _Whole(folder, identity), open_run(wandb, mode, project, entity, folder, **given) as run:  # type: ignore[arg-type]
        for point in trial.history:
            run.log(point)
        run.summary.update(trial.summary)


def _push_overview(wandb: Any, whole: Overview, attach: Attach, key: Key, folder: Path) -> None:
    mode, project, entity, identity = key
    with _Whole(folder, identity):
        send_overview(wandb, whole, attach, mode, project, entity, folder)  # type: ignore[arg-type]


class _Whole:
    """A run that is there whole or not at all, on a disk with room for it."""

    def __init__(self, folder: Path, identity: str) -> None:
        self._folder, self._identity = folder, identity

    def __enter__(self) -> None:
        discard(self._folder, self._identity)
        check_space(self._folder)

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is not None:
            discard(self._folder, self._identity)
            return
        try:
            check_space(self._folder)
        except OSError:
            discard(self._folder, self._identity)
            raise


def _warning(error: Exception, pushed: int, wanted: int, log: Path) -> str:
    return (
        f"W&B took {pushed} of {wanted} runs: {cause_of(error)} (more in {log})."
        " The store is complete without it; repeat the command to send the rest."
    )
