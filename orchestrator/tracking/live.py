"""Runs in W&B while trials train: the driver's side, which starts a follower and never waits for it but at the end.

The follower (`follow`) is a process of its own that reads the store. It is told which trials begin and end through a
pipe that is never waited for: W&B may be absent, raise, hang or fill a disk, and the launch goes on as without it.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Self

from orchestrator.errors import one_line
from orchestrator.observer import Observer
from orchestrator.quiet import log_path
from orchestrator.tracking.door import Mode, has_key
from trainables.location import Location

FINISH_S = 60.0
"""Seconds that the follower gets after the last trial; GRADIENT_COHERENCE_WANDB_S says another number."""

OVERVIEW_S = 300.0
FINISH_VARIABLE = "GRADIENT_COHERENCE_WANDB_S"


@dataclass(frozen=True)
class Live:
    """What a follower is told at its start. every_s: seconds between two looks into the store."""

    store: str
    sweep: str
    mode: Mode
    project: str
    entity: str | None = None
    every_s: float = 5.0

    def as_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))


def show_overview(live: Live) -> str | None:
    """After a launch, write the sweep's own run with figures and claims, in a process that is given OVERVIEW_S; a
    warning where that fails."""
    mode = live.mode if has_key() else "offline"
    command = [sys.executable, "-m", "orchestrator.cli", "wandb", "push", live.sweep, "--only", "overview"]
    command += ["--store", live.store, "--mode", mode, "--project", live.project]
    command += ["--entity", live.entity] if live.entity else []
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=OVERVIEW_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"warning: W&B has no overview of the sweep: {one_line(str(error))}"
    return None if done.returncode == 0 else one_line(done.stderr)


class Followed:
    """An observer that also tells the follower; a context manager around the launch.

    observer: who else is told, and says what there is to say. place: the store. interrupted: whether a trial was.
    """

    def __init__(self, live: Live, observer: Observer, place: Location) -> None:
        self._live, self._observer = live, observer
        self._log = log_path(place, "wandb")
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self._said = False
        self._one_call = threading.Lock()  # an observer takes one call at a time; the reader is a thread of its own
        self.interrupted = False

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "orchestrator.tracking.follow", self._live.as_json()]
        try:
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    start_new_session=True,  # Ctrl-C is for the driver, which then lets the follower finish
                )
        except OSError as error:
            self._warn(str(error))
            return self
        assert self._process.stdin is not None
        os.set_blocking(self._process.stdin.fileno(), False)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is None:
            return
        self._hang_up()
        seconds = float(os.environ.get(FINISH_VARIABLE) or FINISH_S)
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._warn(f"it had not finished {seconds:g} s after the last trial")
        else:
            if code:
                self._warn(f"its process ended with code {code}")
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)  # with what W&B started
            self._process.wait()
            if self._reader is not None:
                self._reader.join(1.0)
            if self._process.stdout is not None:
                self._process.stdout.close()

    def started(self, trial_id: str) -> None:
        """An attempt begins."""
        with self._one_call:
            self._observer.started(trial_id)
        self._tell("started", trial_id, "")

    def finished(self, trial_id: str, outcome: str) -> None:
        """The attempt ended."""
        with self._one_call:
            self._observer.finished(trial_id, outcome)
        self.interrupted |= outcome == "interrupted"
        self._tell("finished", trial_id, outcome)

    def failed(self, trial_id: str, message: str) -> None:
        """Why; W&B is told the outcome alone."""
        with self._one_call:
            self._observer.failed(trial_id, message)

    def note(self, text: str) -> None:
        """Something the user should read once."""
        with self._one_call:
            self._observer.note(text)

    def _tell(self, event: str, trial_id: str, outcome: str) -> None:
        if self._process is None or self._process.stdin is None or self._process.stdin.closed:
            return
        line = f"{event} {trial_id} {outcome}\n".encode()
        try:
            if os.write(self._process.stdin.fileno(), line) == len(line):
                return
            self._warn("it does not listen any more")
        except BlockingIOError:
            self._warn("it does not listen any more")
        except OSError:
            self._warn("its process has ended")
        self._hang_up()

    def _hang_up(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()

    def _read(self) -> None:
        """Pass on what the follower says: notices, and why it gave up."""
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said = json.loads(line)
            if "notice" in said:
                self.note(said["notice"])
            if "error" in said:
                self._warn(said["error"])

    def _warn(self, cause: str) -> None:
        if not self._said:
            self._said = True
            self.note(
                f"warning: W&B's live view is incomplete: {cause} (more in {self._log}). Trials and store are"
                f" untouched; afterwards `coherence wandb push {self._live.sweep}` sends everything."
            )
