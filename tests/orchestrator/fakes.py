"""A stand-in for `run_trial` that writes the parts and checkpoints of a trial at once, and stops where told."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from trainables.checkpoint import CheckpointFolder
from trainables.result import TrialResult
from trainables.sink import Sink
from trainables.spec import TrialSpec, trial_id

PARTS = 4
STEPS_A_PART = 10


class Killed(BaseException):
    """What no boundary catches: the process is gone."""


def nothing(part: int) -> None:
    """Let it go on."""


@dataclass
class FakeTrial:
    """Part k holds ten steps; after each comes a checkpoint. `before(k)` is called before part k is written,
    `after(k)` between part and checkpoint; both may raise."""

    calls: list[str] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    outcome: str = "completed"
    before: Callable[[int], None] = nothing
    after: Callable[[int], None] = nothing

    def __call__(
        self,
        spec: TrialSpec,
        sink: Sink,
        *,
        checkpoints: CheckpointFolder | None = None,
        should_stop: Callable[[], bool] = lambda: False,
        on_step: Callable[[int, int], None] | None = None,
        **_: Any,
    ) -> TrialResult:
        assert checkpoints is not None
        newest = checkpoints.newest()
        first = 0 if newest is None else newest + 1
        self.calls.append(trial_id(spec))
        self.starts.append(first * STEPS_A_PART)
        for part in range(first, PARTS):
            self.before(part)
            steps = range(part * STEPS_A_PART, (part + 1) * STEPS_A_PART)
            sink.write("steps", [{"step": step, "epoch": 0, "loss": 1.0 / (1 + step)} for step in steps])
            sink.flush(part, {})
            if on_step is not None:
                on_step(steps[-1] + 1, PARTS * STEPS_A_PART)
            self.after(part)
            checkpoints.save(part, {"step": steps[-1] + 1})
            if should_stop():
                return self._result("interrupted", first, steps[-1] + 1)
        return self._result(self.outcome, first, PARTS * STEPS_A_PART)

    def _result(self, outcome: Any, first: int, end: int) -> TrialResult:
        rows = {"steps": PARTS * STEPS_A_PART, "layers": 0, "evals": 0, "examples": 0}
        return TrialResult(outcome, None, first * STEPS_A_PART, end, rows=rows, facts={"data_sha256": "00"})
