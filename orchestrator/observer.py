"""What a runner tells about its trials while it works; progress on the screen is one implementation."""

from typing import Protocol


class Observer(Protocol):
    """Called from the driver's process only, one call at a time."""

    def started(self, trial_id: str) -> None:
        """An attempt of this trial begins."""

    def finished(self, trial_id: str, outcome: str) -> None:
        """The attempt ended and is recorded: completed, diverged, stopped, interrupted or failed; or `held`: somebody
        else has the trial, and it is looked at again later."""

    def failed(self, trial_id: str, message: str) -> None:
        """Why: of a recorded failure just before `finished(..., "failed")`; alone when nothing could be
        recorded (a lost worker)."""

    def note(self, text: str) -> None:
        """Something the user should read once."""


class Quiet:
    """An observer that says nothing."""

    def started(self, trial_id: str) -> None:
        """Nothing."""

    def finished(self, trial_id: str, outcome: str) -> None:
        """Nothing."""

    def failed(self, trial_id: str, message: str) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""
