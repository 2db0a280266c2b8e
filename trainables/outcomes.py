"""Ways in which a trial ends that are no errors: raised inside, told as an outcome by `run_trial`."""


def never() -> bool:
    """Do not stop."""
    return False


class DivergedError(ArithmeticError):
    """A loss is no longer finite."""


class InterruptedBeforeError(Exception):
    """A stop was asked for before the first step."""
