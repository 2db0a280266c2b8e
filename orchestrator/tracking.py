"""Mirrors finished trials to W&B, from the store; the only door to W&B.

Runs after or beside a sweep, never inside a trial: nothing that W&B does can hurt one. What was pushed is
remembered, so that a second push sends only what is new, and a push that broke off is simply repeated.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from orchestrator.errors import UserError, one_line
from orchestrator.ledger import Key, Ledger
from orchestrator.quiet import log_path, quiet
from orchestrator.reading import Damage
from orchestrator.revisions import newest_revision, sweep_names
from orchestrator.scratch import short_folder
from orchestrator.states import is_finished, trial_states
from orchestrator.store import Store, open_store
from trainables.location import Location, beside

if TYPE_CHECKING:
    from orchestrator.mirror import Mirror

Mode = Literal["offline", "online"]

AXES = ("train/*", "online/*", "online-*", "probe/*", "probe-*", "eval/*")
"""Curves drawn against `step`, the number of updates."""

FREE_BYTES = 16 * 2**20
"""W&B drops what it cannot write without a word, so a nearly full disk is refused here."""

SETTINGS = {
    "silent": True,
    "console": "off",
    "disable_git": True,
    "disable_code": True,
    "disable_job_creation": True,
    "x_disable_stats": True,
    "x_disable_meta": True,
    "x_disable_machine_info": True,
    "init_timeout": 30.0,
    "finish_timeout": 120.0,
    "finish_timeout_raises": True,
}


class TrackingError(Exception):
    """W&B did not take everything: one line with the cause. Store and trials are untouched.

    pushed: runs that did arrive; they are remembered and not sent again.
    """

    def __init__(self, text: str, pushed: int = 0) -> None:
        super().__init__(text)
        self.pushed = pushed


def push(store: Location, sweep: str, mode: Mode, project: str, entity: str | None) -> int:
    """Send the sweep's finished trials that were not sent yet to this mode, project and entity; say how many.

    One run a trial: id is the trial's, group the sweep. A trial that two sweeps share is one run, in the
    group of the sweep that was pushed first. Offline runs lie in `<store>/wandb/offline-run-*` (of a store at s3://, in
    a folder of this machine), ready for `wandb sync`.

    Raises UserError for a sweep that the store does not know, TrackingError where W&B fails:
    show it as one warning.
    """
    opened, ledger = open_store(store), Ledger(store)
    sent = ledger.read()
    keys = [(mode, project, entity, identity) for identity in _finished(opened, sweep)]
    missing: list[Key] = [key for key in keys if key not in sent]
    if not missing:
        return 0
    log = log_path(store, "wandb")
    pushed = 0
    try:
        with quiet(log), _folder(store, mode) as folder, _service() as wandb:
            for key in missing:
                _push_one(wandb, opened, sweep, key, folder)
                ledger.add(key)
                pushed += 1
    except Exception as error:
        raise TrackingError(_warning(error, pushed, len(missing), log), pushed) from error
    return pushed


def _finished(store: Store, sweep: str) -> list[str]:
    number, _, identities = newest_revision(store, sweep)
    if number is None:
        known = ", ".join(sweep_names(store)) or "none"
        raise UserError(f"store {store.root} has no sweep {sweep!r}; it has: {known}. Run the sweep first.")
    states = trial_states(store, identities, Damage())
    return [identity for identity in identities if is_finished(states[identity])]


@contextmanager
def _service() -> Iterator[Any]:
    """The wandb module; the process that it starts is ended with the block."""
    import wandb

    try:
        yield wandb
    finally:
        wandb.teardown()


@contextmanager
def _folder(store: Location, mode: Mode) -> Iterator[Path]:
    """Where W&B puts its files, in a subfolder `wandb`: offline runs stay, online ones have arrived."""
    if mode == "offline":
        folder = beside(store)
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        return
    with short_folder() as scratch:
        yield scratch


def _push_one(wandb: Any, store: Store, sweep: str, key: Key, folder: Path) -> None:
    from orchestrator.mirror import mirror

    mode, project, entity, identity = key
    _discard(folder, identity)
    _check_space(folder)
    trial = mirror(store, identity)
    try:
        _send(wandb, trial, sweep, mode, project, entity, folder)
        _check_space(folder)
    except BaseException:
        _discard(folder, identity)
        raise


def _send(wandb: Any, trial: "Mirror", sweep: str, mode: str, project: str, entity: str | None, folder: Path) -> None:
    with wandb.init(
        project=project,
        entity=entity,
        id=trial.trial_id,
        name=trial.name,
        group=sweep,
        job_type="trial",
        tags=[sweep, *dict.fromkeys(trial.tags)],
        config=trial.config,
        dir=str(folder),
        mode=mode,
        reinit="create_new",
        settings=wandb.Settings(**SETTINGS),
    ) as run:
        run.define_metric("step", hidden=True)
        for pattern in AXES:
            run.define_metric(pattern, step_metric="step")
        for point in trial.history:
            run.log(point)
        run.summary.update(trial.summary)


def _discard(folder: Path, identity: str) -> None:
    """Remove what a push that broke off left of this run."""
    for left in (folder / "wandb").glob(f"*run-*-{identity}"):
        shutil.rmtree(left, ignore_errors=True)


def _check_space(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < FREE_BYTES:
        raise OSError(f"only {free // 2**10} KiB are free at {folder}, {FREE_BYTES // 2**10} are needed")


def _warning(error: Exception, pushed: int, wanted: int, log: Path) -> str:
    cause = one_line(f"{type(error).__name__}: {error}")
    if isinstance(error, ModuleNotFoundError):
        cause = f"{error}; install it with pip install 'gradient-coherence[sweep]'"
    return (
        f"W&B took {pushed} of {wanted} runs: {cause} (more in {log})."
        " The store is complete without it; repeat the command to send the rest."
    )
