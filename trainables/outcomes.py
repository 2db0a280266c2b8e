"""Ways in which a trial ends that are no errors: raised inside, told as an outcome by `run_trial`."""

from typing import Any


def never() -> bool:
    """Do not stop."""
    return False


def no_reason(step: int, rows: list[dict[str, Any]]) -> str | None:
    """Do not stop, whatever an evaluation says."""
    del step, rows
    return None


class DivergedError(ArithmeticError):
    """A loss is no longer finite."""


class InterruptedBeforeError(Exception):
    """A stop was asked for before the first step."""
