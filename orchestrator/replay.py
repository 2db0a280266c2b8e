"""Replaying a trial in this process, against digests of its state."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from orchestrator.fresh import reset_process
from trainables.result import TrialResult
from trainables.sink import Row, Sink
from trainables.spec import TrialSpec

Tensors = dict[tuple[str, str], str]
"""Digest by kind and name, in the order in which a trial wrote them."""
Digests = Mapping[int, Tensors]
"""Those of each step."""


@dataclass(frozen=True)
class Difference:
    """The first tensor that differs at the first step where any does; None for a digest that one side lacks.

    differing: how many of the step's tensors do.
    """

    step: int
    kind: str
    name: str
    stored: str | None
    replayed: str | None
    differing: int


class Comparison(Sink):
    """Compares the digests of a replay with the wanted ones as they come, and keeps nothing else.

    seconds: after which enough has been compared, once an update has; None for no limit.
    """

    def __init__(self, wanted: Digests, seconds: float | None) -> None:
        self._wanted, self._seconds, self._began = wanted, seconds, time.monotonic()
        self.same: list[int] = []
        self.difference: Difference | None = None

    def write(self, table: str, rows: Iterable[Row]) -> None:
        """Compare digests; other rows are let go."""
        if table != "digests":
            return
        found: dict[int, Tensors] = {}
        for row in rows:
            found.setdefault(row["step"], {})[row["kind"], row["name"]] = row["sha256"]
        for step, tensors in found.items():
            if step in self._wanted and self.difference is None:
                self._compare(step, tensors)

    def flush(self, part: int, metadata: Mapping[str, str]) -> None:
        """Nothing is written."""
        del part, metadata

    def enough(self) -> bool:
        """Whether the replay may stop."""
        late = self._seconds is not None and time.monotonic() - self._began >= self._seconds
        return self.difference is not None or not self._left() or (late and any(self.same))

    def close(self) -> None:
        """The replay came to its end: what it did not reach differs."""
        if self.difference is None and (left := self._left()):
            self._compare(left[0], {})

    def _left(self) -> list[int]:
        return sorted(set(self._wanted) - set(self.same))

    def _compare(self, step: int, tensors: Tensors) -> None:
        stored = self._wanted[step]
        differing = [key for key in {**stored, **tensors} if stored.get(key) != tensors.get(key)]
        if not differing:
            self.same.append(step)
            return
        first = differing[0]
        self.difference = Difference(step, *first, stored.get(first), tensors.get(first), len(differing))


def replay(spec: TrialSpec, comparison: Comparison, device: str | None) -> TrialResult:
    """Run the trial from step 0 for as long as there is something to compare; writes nothing."""
    from trainables.trial import run_trial

    reset_process()
    result = run_trial(spec, comparison, should_stop=comparison.enough, device=device)
    if result.outcome != "interrupted":
        comparison.close()
    return result
