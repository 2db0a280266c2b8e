"""The only door to W&B: runs are opened here, all with the same settings and axes."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from netrc import NetrcParseError, netrc
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from orchestrator.errors import one_line
from orchestrator.scratch import short_folder
from trainables.location import Location, beside

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


@contextmanager
def service() -> Iterator[Any]:
    """The wandb module; the process that it starts is ended with the block."""
    import wandb

    try:
        yield wandb
    finally:
        wandb.teardown()


@contextmanager
def files_of(store: Location, mode: Mode) -> Iterator[Path]:
    """Where W&B puts its files, in a subfolder `wandb`: offline runs stay, online ones have arrived."""
    if mode == "offline":
        folder = beside(store)
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        return
    with short_folder() as scratch:
        yield scratch


def open_run(wandb: Any, mode: Mode, project: str, entity: str | None, folder: Path, **given: Any) -> Any:
    """A run whose curves have their axes. given: id, name, group, job_type, tags, config of `wandb.init`."""
    run = wandb.init(
        project=project,
        entity=entity,
        dir=str(folder),
        mode=mode,
        reinit="create_new",
        settings=wandb.Settings(**SETTINGS),
        **given,
    )
    run.define_metric("step", hidden=True)
    for pattern in AXES:
        run.define_metric(pattern, step_metric="step")
    return run


def discard(folder: Path, identity: str) -> None:
    """Remove what a run that broke off left."""
    for left in (folder / "wandb").glob(f"*run-*-{identity}"):
        shutil.rmtree(left, ignore_errors=True)


def check_space(folder: Path) -> None:
    """Raise OSError where too little is free for W&B's files."""
    free = shutil.disk_usage(folder).free
    if free < FREE_BYTES:
        raise OSError(f"only {free // 2**10} KiB are free at {folder}, {FREE_BYTES // 2**10} are needed")


def has_key() -> bool:
    """Whether there is an API key where W&B's client looks: WANDB_API_KEY, or the netrc file's entry of its server."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = urlsplit(os.environ.get("WANDB_BASE_URL") or "https://api.wandb.ai").hostname
    path = Path(os.environ.get("NETRC") or Path.home() / ".netrc").expanduser()
    try:
        return host is not None and netrc(path).authenticators(host) is not None
    except (OSError, NetrcParseError):
        return False


def cause_of(error: Exception) -> str:
    """What went wrong, in one line, with the next move where the package is missing."""
    if isinstance(error, ModuleNotFoundError):
        return f"{error}; install it with pip install 'gradient-coherence[sweep]'"
    return one_line(f"{type(error).__name__}: {error}")
