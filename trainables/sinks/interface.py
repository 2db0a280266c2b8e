"""What a sink beside the store is told, and how its failures are kept from the trial.

A sink is made by a function `(choice, trial) -> Sink` for each attempt. Rows come as they are measured; `flush` says
that all before it is durable in the store. An attempt that goes on from a checkpoint begins with the rows after it:
what the attempt before wrote after its last flush comes again.
"""

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from trainables.sink import Row, Sink


@dataclass(frozen=True)
class SinkTrial:
    """Whose rows: the trial, the number of the attempt, and the trial's spec as canonical JSON."""

    trial_id: str
    attempt: int
    spec: str


class Guarded(Sink):
    """A sink that is left out, with one line on standard error, from its first failure on: no trial fails for it."""

    def __init__(self, name: str, make: Callable[[], Sink]) -> None:
        self._name = name
        self._sink: Sink | None = None
        self._try(lambda: self._begin(make))

    def write(self, table: str, rows: Iterable[Row]) -> None:
        """Hand the rows on."""
        if (sink := self._sink) is not None:
            self._try(lambda: sink.write(table, rows))

    def flush(self, part: int, metadata: Mapping[str, str]) -> None:
        """Hand it on."""
        if (sink := self._sink) is not None:
            self._try(lambda: sink.flush(part, metadata))

    def _begin(self, make: Callable[[], Sink]) -> None:
        self._sink = make()

    def _try(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - whatever a sink raises is no failure of the trial; it is told
            self._sink = None
            said = " ".join(f"{type(error).__name__}: {error}".split())
            sys.stderr.write(f"sink {self._name} failed ({said}); the trial goes on without it\n")
