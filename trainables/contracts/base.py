"""What the contracts of all kinds share: which entry with which parameters, and trials that name it."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, ClassVar, get_args

from trainables.checkpoint import CheckpointFolder
from trainables.plugins import API, Registry
from trainables.registry import Choice, Entry
from trainables.sink import ListSink
from trainables.spec import TrialSpec
from trainables.trial import run_trial

QUICK: dict[str, Any] = {
    "dataset": {"name": "gaussian-clusters", "classes": 3, "features": 12, "train": 120, "test": 30},
    "model": {"name": "mlp", "widths": [6]},
    "optimizer": {"name": "sgd", "lr": 0.1},
    "batch_size": 12,
    "epochs": 1,
    "seed": 0,
    "measure": {"probe": {"examples": 40, "schedule": "1-2-5"}, "online": {"every": 2, "layers": "1-2-5"}},
}
"""Ten steps, a fraction of a second."""


@dataclass(frozen=True)
class Subject:
    """An entry with parameters."""

    entry: Entry
    choice: Choice

    @property
    def name(self) -> str:
        """Its name in the registry."""
        return self.choice.name


def subject_of(entry: Entry, parameters: Mapping[str, Any]) -> Subject:
    """The entry with these parameters, checked as those of a sweep are."""
    return Subject(entry, entry.params.model_validate({"name": name_of(entry), **parameters}))


def name_of(entry: Entry) -> str:
    """The name that the parameter model fixes."""
    return str(get_args(entry.params.model_fields["name"].annotation)[0])


class Contract:
    """entry, examples: what is tested, with parameters that a sweep may give it. The project's own suites give
    `subjects` in their place."""

    entry: ClassVar[Entry]
    examples: ClassVar[Sequence[Mapping[str, Any]]] = ({},)
    subjects: ClassVar[Mapping[str, Subject]] = {}

    @classmethod
    def cases(cls) -> Mapping[str, Subject]:
        """What each test is run on, by a name to show."""
        if cls.subjects:
            return cls.subjects
        described = {_described(example): example for example in cls.examples}
        return {f"{name_of(cls.entry)}{key}": subject_of(cls.entry, example) for key, example in described.items()}

    def pytest_generate_tests(self, metafunc: Any) -> None:
        """Called by pytest: each test that asks for a subject runs on every case."""
        if "subject" in metafunc.fixturenames:
            cases = self.cases()
            metafunc.parametrize("subject", list(cases.values()), ids=list(cases))

    def test_the_entry_says_what_it_is(self, subject: Subject) -> None:
        field = subject.entry.params.model_fields["name"]
        assert get_args(field.annotation) == (subject.name,), "`name` must be Literal[...] of the one name"
        assert field.is_required(), "a `name` with a default would vanish from ids"
        assert subject.entry.summary, "`coherence list` shows the summary"
        assert "\n" not in subject.entry.summary
        assert subject.entry.params.__doc__, "`coherence list --describe` shows the docstring of the parameters"
        assert subject.entry.api == API

    def test_parameters_come_back_from_json(self, subject: Subject) -> None:
        text = {"name": subject.name, **subject.choice.model_dump(mode="json", exclude_defaults=True)}
        assert type(subject.choice).model_validate(text) == subject.choice

    def test_parameters_are_known_without_torch(self) -> None:
        modules = sorted({subject.entry.params.__module__ for subject in self.cases().values()})
        code = f"import sys; sys.path[:0] = {sys.path!r}; import {', '.join(modules)}; print('torch' in sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == "False", f"{', '.join(modules)} imports torch: move what needs it to another file"


def _described(example: Mapping[str, Any]) -> str:
    return "".join(f"-{key}={value}" for key, value in example.items())


@contextmanager
def registered(registry: Mapping[str, Entry], subject: Subject) -> Iterator[None]:
    """The entry under its name in a registry, for a while."""
    assert isinstance(registry, Registry)
    with registry.holding(subject.name, subject.entry):
        yield


def check_trial(spec: TrialSpec, folder: Path) -> dict[str, list[dict[str, Any]]]:
    """A trial runs to its end with finite losses, a second time the same, and in parts as in one; its rows."""
    first, second, parts = ListSink(), ListSink(), ListSink()
    assert run_trial(spec, first, device="cpu").outcome == "completed"
    assert all(row["loss"] == row["loss"] for row in first.rows["steps"]), "a loss is NaN"
    run_trial(spec, second, device="cpu")
    assert first.rows == second.rows, "the same trial gave other rows: something draws outside the trial's streams"
    checkpoints = CheckpointFolder(folder / "checkpoints")
    outcome = "interrupted"
    while outcome == "interrupted":
        outcome = run_trial(spec, parts, device="cpu", checkpoints=checkpoints, should_stop=_every(4)).outcome
    assert outcome == "completed"
    for table, rows in first.rows.items():
        assert _sorted(parts.rows[table]) == _sorted(rows), f"{table}: a resumed trial gave other rows"
    return first.rows


def _every(steps: int) -> Callable[[], bool]:
    """Whether so many updates have been made."""
    asked = count(1)
    return lambda: next(asked) % steps == 0


def _sorted(rows: list[dict[str, Any]]) -> list[str]:
    return sorted(repr(sorted(row.items())) for row in rows)
