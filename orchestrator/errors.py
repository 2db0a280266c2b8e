"""What can go wrong that is not a bug.

UserError: a mistake in what was asked; one line, exit 2, nothing written.
StoreWriteError: the store could not be written while running (a full disk, a lost mount); exit 1; what
is in the store stays readable and the same command continues it.
"""


class UserError(Exception):
    """A mistake of the user: says what was given, what was expected and what to do next, in one line."""


class StoreWriteError(Exception):
    """The store could not be written during a run."""


def one_line(text: str, limit: int = 500) -> str:
    """Text without line breaks, cut in the middle where it is longer than `limit`."""
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else f"{flat[: limit // 2]} ... {flat[-limit // 2 :]}"


def reason(error: OSError) -> str:
    """'Permission denied' rather than '[Errno 13] Permission denied: ...'."""
    return error.strerror or str(error) or type(error).__name__
