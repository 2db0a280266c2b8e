"""What Tune tells its driver, turned into calls of the endings and the observer."""

# ruff: noqa: ARG002 - Tune calls its hooks with these very keywords

from pathlib import Path
from typing import Any

import ray
from ray import tune

from orchestrator.endings import Endings
from orchestrator.observer import Observer
from orchestrator.stop import StopSwitch


def name_of(trial: Any) -> str:
    """The id of our trial that one of Tune's stands for."""
    return str(trial.config["trial"]["trial_id"])


class Events(tune.Callback):
    """Turns Tune's hooks, which are called with these keywords, into calls of the endings and the observer."""

    def __init__(self, endings: Endings, observer: Observer) -> None:
        self.running: set[str] = set()
        self._endings, self._observer = endings, observer

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune saves what it was given for a restore that is never asked for

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A worker takes the trial up."""
        self.running.add(name_of(trial))
        self._observer.started(name_of(trial))

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """The worker came back."""
        self.running.discard(name_of(trial))
        result = trial.last_result or {}
        self._endings.ended(name_of(trial), result.get("outcome", "interrupted"), result.get("again", ""))

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """The worker did not; Tune starts the trial again."""
        self.running.discard(name_of(trial))
        self._endings.recovers(name_of(trial), _error(trial))

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """The worker did not, and Tune gives the trial up."""
        self.running.discard(name_of(trial))
        self._endings.gave_up(name_of(trial), _error(trial))


def _error(trial: Any) -> BaseException | None:
    """What ended the trial's last attempt. `trial.get_pickled_error()` knows it only later."""
    file = trial.pickled_error_file
    if not file or not Path(file).exists():
        return None
    error = ray.cloudpickle.loads(Path(file).read_bytes())
    return error.cause if isinstance(error, ray.exceptions.RayTaskError) else error


class StopWhenIdle(tune.Stopper):
    """Ends a Tuner once a stop was requested and the running trials have returned; none is killed."""

    def __init__(self, switch: StopSwitch, events: Events, observer: Observer) -> None:
        self._switch, self._events, self._observer = switch, events, observer
        self._told = False

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """No trial is stopped by its result."""
        return False

    def stop_all(self) -> bool:
        """Asked after each of Tune's steps."""
        if self._switch.requested and not self._told:
            self._told = True
            self._observer.note("stopping: running trials save a checkpoint first")
        return self._switch.requested and not self._events.running
