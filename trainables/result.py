"""What a call of `run_trial` came to."""

from dataclasses import dataclass, field
from typing import Literal

Outcome = Literal["completed", "diverged", "stopped", "interrupted"]


@dataclass(frozen=True)
class TrialResult:
    """Outcome and final numbers of one call of `run_trial`.

    outcome: `completed`; `diverged` (non-finite loss: a result, not an error); `stopped` (a target of the spec was
    reached); `interrupted` (a stop was asked for: a checkpoint is saved and the trial is not done).
    reason: why it diverged or was stopped; else None.
    start_step, end_step: steps at the beginning and end of this call.
    finals: the `final_*` columns of `trials`.
    rows: rows of each table over the whole trial, earlier attempts included.
    facts: `parameters`, `train_examples`, `corrupt_examples`, `trained_examples`, `measured_examples` and
    `data_sha256` of `trials`.
    device: name of the device used.
    measure_s: CPU seconds of this call spent on probes and evaluations.
    """

    outcome: Outcome
    reason: str | None
    start_step: int
    end_step: int
    finals: dict[str, float | None] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    facts: dict[str, int | str] = field(default_factory=dict)
    device: str = "cpu"
    measure_s: float = 0.0
