"""The contract of every sink: every table, parts with and without rows, several attempts, a trial of its own."""

from pathlib import Path
from typing import Any

from trainables.contracts.base import QUICK, Contract, Subject
from trainables.records import PARTED
from trainables.registry import load
from trainables.sink import ListSink, Sink, TeeSink
from trainables.sinks.interface import SinkTrial
from trainables.spec import TrialSpec, canonical_json, trial_id
from trainables.trial import run_trial

SPEC = TrialSpec.model_validate(QUICK)


class SinkContract(Contract):
    """A sink takes what a trial writes; it may keep it, send it or drop it."""

    def test_it_takes_rows_of_every_table_and_parts_without_rows(self, subject: Subject) -> None:
        sink = made(subject, 0)
        for part in range(2):
            for table in PARTED:
                sink.write(table, [])
                sink.write(table, iter([{"step": part, "value": None, "loss": float("nan"), "text": "x"}]))
            sink.flush(part, {"digest": "00"})
        sink.flush(2, {})

    def test_it_spares_the_rows(self, subject: Subject) -> None:
        row: dict[str, Any] = {"step": 0, "loss": 1.5}
        sink = made(subject, 1)
        sink.write("steps", [row])
        sink.flush(0, {})
        assert row == {"step": 0, "loss": 1.5}

    def test_a_second_attempt_of_a_trial_is_taken(self, subject: Subject) -> None:
        for attempt in (2, 3):
            sink = made(subject, attempt)
            sink.write("steps", [{"step": 0}])
            sink.flush(0, {})

    def test_beside_a_trial_it_changes_nothing(self, subject: Subject, tmp_path: Path) -> None:
        del tmp_path
        plain, beside = ListSink(), ListSink()
        run_trial(SPEC, plain, device="cpu")
        run_trial(SPEC, TeeSink(beside, made(subject, 4)), device="cpu")
        assert plain.rows == beside.rows


def made(subject: Subject, attempt: int) -> Sink:
    """The sink of an attempt."""
    found: Sink = load(subject.entry)(subject.choice, SinkTrial(trial_id(SPEC), attempt, canonical_json(SPEC)))
    return found
