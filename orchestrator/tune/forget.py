"""Makes Tune forget trials that are over, so that a launch of any length takes one Tuner.

Tune keeps every trial of a Tuner, each with its record for a restore, and walks through all of them at every step: a
Tuner of many thousand trials grows and slows down, and one Tuner after the other leaves every slot idle between two.
Our store says what is done, so nothing is lost with what Tune knew. This is the one file that reaches into Tune's
controller; a test holds that it still finds there what it takes away.
"""

from typing import Any

from ray.tune.schedulers import FIFOScheduler


class Forgetful(FIFOScheduler):
    """Trials in the order in which they were added; each that is over is forgotten at the next step."""

    def __init__(self) -> None:
        super().__init__()
        self._controller: Any = None
        self._over: dict[Any, None] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune saves what it was given for a restore that is never asked for

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """Its worker came back."""
        del result
        self._ended(tune_controller, trial)

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """Its worker did not; Tune may start it again."""
        self._ended(tune_controller, trial)

    def on_trial_remove(self, tune_controller: Any, trial: Any) -> None:
        """It is taken out of the queue."""
        self._ended(tune_controller, trial)

    def choose_trial_to_run(self, tune_controller: Any) -> Any:
        """The first that waits. Tune asks at every step."""
        over, self._over = self._over, {}
        for trial in over:
            if trial.is_finished():  # else it starts again, and ends once more
                _forget(self._controller, trial)
        return super().choose_trial_to_run(tune_controller)

    def _ended(self, controller: Any, trial: Any) -> None:
        # Here Tune passes itself, at other times a wrapper; and it still needs the trial for what it does next.
        self._controller = controller
        self._over[trial] = None


def _forget(controller: Any, trial: Any) -> None:
    controller._trials.remove(trial)
    for known in (controller._live_trials, controller._stopped_trials, controller._failed_trials):
        known.discard(trial)
    controller._trials_to_cache.discard(trial)
    controller._trial_metadata.pop(trial.trial_id, None)
