"""Early stopping: successive halving without a judge in the middle. Off unless a sweep asks for it.

At a rung each trial writes down its own evaluation and compares it with those of the sweep's trials that came before.
What a trial was told it is told again after a resume. No part of a trial's identity.
"""

import json
import os
from dataclasses import dataclass
from math import ceil
from typing import Annotated, Any, Literal

from pydantic import Field

from orchestrator.reading import Damage
from orchestrator.store import Store
from trainables.location import Location, in_order
from trainables.records import STOPPED_EARLY
from trainables.registry import Frozen, Integer, Real
from trainables.storage import publish

Step = Annotated[Integer, Field(ge=1)]


class EarlyStopping(Frozen):
    """`successive-halving`: at the first evaluation at or after each step of `rungs`, a trial goes on when its `metric`
    is among the best 1/`eta` (rounded up) of the sweep's trials that have come to that rung, itself included.

    among: no trial is stopped before so many have come. Trials that tie go on.
    """

    name: Literal["successive-halving"]
    rungs: Annotated[tuple[Step, ...], Field(min_length=1)]
    metric: Literal["test-accuracy", "test-loss", "train-accuracy", "train-loss"] = "test-accuracy"
    eta: Annotated[Real, Field(gt=1.0)] = 3.0
    among: Annotated[Integer, Field(ge=2)] = 6


@dataclass(frozen=True)
class Contest:
    """The trials of one sweep under one rule."""

    rule: EarlyStopping
    sweep: str


class Judge:
    """Decides for one trial; called after each evaluation, with its rows."""

    def __init__(self, contest: Contest, store: Location, trial_id: str) -> None:
        self._rule, self._trial_id = contest.rule, trial_id
        self._folder = store / "rungs" / contest.sweep

    def __call__(self, step: int, rows: list[dict[str, Any]]) -> str | None:
        """Why the trial is to be stopped; None to go on."""
        passed = [rung for rung in self._rule.rungs if rung <= step]
        if not passed:
            return None
        file = self._folder / str(max(passed)) / f"{self._trial_id}.json"
        if file.exists():
            return _reason(_content(file))
        split, column = self._rule.metric.split("-")
        value = next(row[column] for row in rows if row["split"] == split)
        said = self._judged(step, value, file)
        _write(file, said)
        return _reason(said)

    def _judged(self, step: int, value: float, file: Location) -> dict[str, Any]:
        """What is written down: the value, and why the trial stops there, if it does."""
        others = [_content(other)["value"] for other in in_order(file.parent.glob("*.json")) if other != file]
        sign = -1.0 if self._rule.metric.endswith("loss") else 1.0
        place, came = 1 + sum(sign * other > sign * value for other in others), len(others) + 1
        best = ceil(came / self._rule.eta)
        reason = None
        if came >= self._rule.among and place > best:
            reason = f"{STOPPED_EARLY} {self._rule.metric} {value:.4g} at step {step} is number {place} of {came}; the"
            reason += f" best {best} go on"
        return {"step": step, "metric": self._rule.metric, "value": value, "reason": reason}


def was_stopped_early(store: Store, trial_id: str) -> bool:
    """Whether a trial of this store's own tables ended so."""
    rows = Damage().rows(store.trial_file(trial_id), ["reason"])
    return bool(rows) and (rows[0]["reason"] or "").startswith(STOPPED_EARLY)


def _reason(content: dict[str, Any]) -> str | None:
    reason: str | None = content["reason"]
    return reason


def _content(file: Location) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content


def _write(file: Location, content: dict[str, Any]) -> None:
    text = json.dumps(content) + "\n"
    publish(file, lambda opened: opened.write(text.encode()), tag=str(os.getpid()))
