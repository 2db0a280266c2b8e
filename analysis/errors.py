"""What can go wrong while reading.

UserError  misuse: what was given, what was expected, the next move; the command exits 2 and writes nothing
Skipped    a figure or claim that this sweep cannot feed: the reason is shown in its place
"""


class UserError(Exception):
    """One clear line for the person at the keyboard."""


class Skipped(Exception):
    """Why a figure is not drawn from these trials."""
