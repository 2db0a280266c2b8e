"""One trial in one process: train, measure while training, leave rows in a sink.

Step t means the parameters after t updates. At each step, in this order: evaluate, probe, digest, take the
batch's gradients (and online statistics, before the update), aggregate, update, perhaps checkpoint.
"""

import time
from collections.abc import Callable
from math import isfinite
from typing import Any

from trainables.build import build_setting
from trainables.checkpoint import CheckpointFolder
from trainables.digests import digest_rows
from trainables.outcomes import DivergedError, InterruptedBeforeError, never, no_reason
from trainables.records import PARTED
from trainables.result import TrialResult
from trainables.schedules import digest_steps
from trainables.setting import Setting
from trainables.sink import Sink
from trainables.spec import Stop, TrialSpec

FINAL = ("train", "test", "pristine", "corrupt")
"""Splits whose last accuracy is a column of `trials`."""

Judge = Callable[[int, list[dict[str, Any]]], str | None]


def run_trial(
    spec: TrialSpec,
    sink: Sink,
    *,
    checkpoints: CheckpointFolder | None = None,
    checkpoint_every_s: float = 10.0,
    should_stop: Callable[[], bool] = never,
    device: str | None = None,
    on_step: Callable[[int, int], None] | None = None,
    judge: Judge = no_reason,
) -> TrialResult:
    """Run a trial to its end, from the newest checkpoint if there is one.

    checkpoints: where to save; without it nothing is saved and nothing resumed.
    checkpoint_every_s: wall seconds between checkpoints; changes how rows are cut into parts, not the rows.
    should_stop: asked after every update; True saves a checkpoint and returns `interrupted`.
    device: a torch device; default is a GPU if there is one.
    on_step: called with (steps made, steps in all).
    judge: given each evaluation before the last, says why the trial is to end there as `stopped`; None to go on.
    """
    try:
        setting = build_setting(spec, device, should_stop)
    except (DivergedError, InterruptedBeforeError) as error:
        # Sorting examples comes before everything: there is no setting yet that could say more.
        diverged = isinstance(error, DivergedError)
        nothing = dict.fromkeys(PARTED, 0)
        return TrialResult(
            "diverged" if diverged else "interrupted", str(error) if diverged else None, 0, 0, {}, nothing
        )
    run = _Run(setting, sink, checkpoints, checkpoint_every_s, judge)
    run.resume()
    return run.to_end(should_stop, on_step)


class _Run:
    """The state of one call of `run_trial`."""

    def __init__(
        self, setting: Setting, sink: Sink, checkpoints: CheckpointFolder | None, every_s: float, judge: Judge
    ) -> None:
        self._setting, self._sink, self._checkpoints, self._every_s = setting, sink, checkpoints, every_s
        self._judge = judge
        self._step = self._start = 0
        self._fresh = True
        self._part = 0
        self._rows = dict.fromkeys(PARTED, 0)
        self._saved_at = time.monotonic()
        self._measure_s = 0.0
        self._finals: dict[str, float | None] = {}
        self._digest_steps = digest_steps(setting.last_step)

    def resume(self) -> None:
        """Take up the newest checkpoint, if any."""
        k = self._checkpoints.newest() if self._checkpoints else None
        if self._checkpoints is None or k is None:
            return
        content = self._checkpoints.load(k)
        self._fresh = False
        self._setting.load_state(content["setting"])
        self._step = self._start = content["step"]
        self._rows |= content["rows"]
        self._part = k + 1

    def to_end(self, should_stop: Callable[[], bool], on_step: Callable[[int, int], None] | None) -> TrialResult:
        """The loop."""
        last = self._setting.last_step
        try:
            if self._fresh:
                self._setting.start(should_stop)
            while True:
                target = self._measure()
                if self._step == last or target:
                    break
                self._train()
                self._step += 1
                if on_step:
                    on_step(self._step, last)
                if should_stop() and self._step < last:
                    self._save()
                    return self._result("interrupted", None)
                if self._checkpoints and time.monotonic() - self._saved_at >= self._every_s:
                    self._save()
            self._write("examples", self._setting.evaluator.example_rows(self._setting.selected))
            outcome = self._result("stopped" if target else "completed", target)
        except DivergedError as error:
            outcome = self._result("diverged", str(error))
        except InterruptedBeforeError:
            return self._result("interrupted", None)
        self._flush()
        return outcome

    def _measure(self) -> str | None:
        """Evaluations, probe, instruments, digests due at this step; why the trial ends here, if it does early."""
        setting, step, began = self._setting, self._step, time.process_time()
        reached = given_up = None
        if step in setting.evaluation_steps:
            rows = setting.evaluator.rows(step)
            self._check_finite(rows)
            self._write("evals", [{"step": step, **row} for row in rows])
            self._finals = _finals(rows)
            if step < setting.last_step:
                reached = _reached(setting.spec.stop, self._finals)
                given_up = None if reached else self._judge(step, rows)
        if reached or setting.watch.due(step):
            layers, instruments = setting.watch.rows(step, at_the_end=bool(reached))
            self._write("layers", [{"step": step, **row} for row in layers])
            self._write("instruments", [{"step": step, **row} for row in instruments])
        if reached or step in self._digest_steps:
            self._write("digests", digest_rows(setting, step))
        self._measure_s += time.process_time() - began
        return reached or given_up

    def _train(self) -> None:
        """One update, with its online rows."""
        made = self._setting.train_step(self._step)
        if not isfinite(made.loss):
            raise DivergedError(f"the loss of the batch at step {self._step} is {made.loss}")
        if made.step_row:
            self._write("steps", [made.step_row])
        self._write("layers", made.layer_rows)

    def _check_finite(self, rows: list[dict]) -> None:
        for row in rows:
            if row["loss"] is not None and not isfinite(row["loss"]):
                raise DivergedError(f"the {row['split']} loss at step {self._step} is {row['loss']}")

    def _write(self, table: str, rows: list[dict]) -> None:
        self._rows[table] += len(rows)
        self._sink.write(table, rows)

    def _flush(self) -> None:
        metadata = {"from_step": str(self._start), "to_step": str(self._step), "grew_from": str(self._part - 1)}
        self._sink.flush(self._part, metadata)

    def _save(self) -> None:
        """Part k of all tables, then checkpoint k."""
        self._flush()
        if self._checkpoints:
            content = {"step": self._step, "rows": self._rows, "setting": self._setting.state()}
            self._checkpoints.save(self._part, content)
        self._part += 1
        self._saved_at = time.monotonic()

    def _result(self, outcome: str, reason: str | None) -> TrialResult:
        return TrialResult(
            outcome=outcome,  # type: ignore[arg-type]
            reason=reason,
            start_step=self._start,
            end_step=self._step,
            finals=self._finals if outcome in ("completed", "stopped") else {},
            rows=dict(self._rows),
            facts=self._facts(),
            device=str(self._setting.device),
            measure_s=self._measure_s,
        )

    def _facts(self) -> dict[str, int | str]:
        used = {
            "trained_examples": self._step * self._setting.spec.batch_size,
            "measured_examples": self._setting.watch.units.seen,
        }
        return self._setting.facts | used


def _reached(stop: Stop, finals: dict[str, float | None]) -> str | None:
    """The first target that the whole training set has reached, in words."""
    loss, accuracy = finals["final_train_loss"], finals["final_train_accuracy"]
    if stop.train_loss is not None and loss is not None and loss <= stop.train_loss:
        return f"training loss {loss:.4g} reached the target {stop.train_loss:g}"
    if stop.train_accuracy is not None and accuracy is not None and accuracy >= stop.train_accuracy:
        return f"training accuracy {accuracy:.4g} reached the target {stop.train_accuracy:g}"
    return None


def _finals(rows: list[dict]) -> dict[str, float | None]:
    found = {f"final_{row['split']}_accuracy": row["accuracy"] for row in rows if row["split"] in FINAL}
    return found | {"final_train_loss": next(row["loss"] for row in rows if row["split"] == "train")}
