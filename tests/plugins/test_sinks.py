"""`--sink`: rows go there as well, and nothing that happens there is a failure of the trial."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.orchestrator.conftest import coherence as coherence
from tests.orchestrator.conftest import fake_trial as fake_trial
from trainables.contracts.sinks import SinkContract
from trainables.registry import Entry
from trainables.sink import ListSink
from trainables.sinks import SINKS, JsonLines
from trainables.sinks.interface import Guarded

Coherence = Callable[..., tuple[int, str, str]]


class TestJsonLines(SinkContract):
    """In a folder that is thrown away."""

    entry = SINKS["json-lines"]
    examples = ({"folder": str(Path(tempfile.gettempdir()) / "gradient-coherence-lines")},)


def failing(choice, trial):
    """A sink that cannot be made."""
    raise OSError("the broker does not answer")


def test_rows_are_lines_of_json_too(coherence: Coherence, fake_trial, tmp_path: Path) -> None:
    out = tmp_path / "lines"
    code, _, err = coherence(
        *("run", "smoke", "--local", "--store", tmp_path / "s", "--sink", f"{{name: json-lines, folder: '{out}'}}")
    )
    assert code == 0, err
    files = list(out.glob("*-0.jsonl"))
    assert len(files) == 2
    rows = [json.loads(line) for line in files[0].read_text().splitlines()]
    assert [(row["table"], row["step"]) for row in rows] == [("steps", step) for step in range(40)]


def test_a_sink_that_fails_costs_the_trial_nothing(coherence, fake_trial, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(SINKS, "json-lines", Entry(JsonLines, f"{__name__}:failing", "fails"))
    text = "{name: json-lines, folder: x}"
    code, _, err = coherence("run", "smoke", "--local", "--store", tmp_path / "s", "--sink", text)
    assert code == 0
    assert err.count("sink json-lines failed (OSError: the broker does not answer); the trial goes on without it") == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("jason-lines", "unknown sink 'jason-lines'. Did you mean 'json-lines'?"),
        ("json-lines", "folder: Field required"),
        ("{name: json-lines", "--sink, line 1: broken YAML"),
    ],
)
def test_what_is_no_sink_is_one_line(coherence: Coherence, tmp_path: Path, text: str, says: str) -> None:
    code, _, err = coherence("run", "smoke", "--local", "--store", tmp_path / "s", "--sink", text)
    assert code == 2
    assert says in err
    assert not (tmp_path / "s").exists()


class Breaking(ListSink):
    """Fails at its second flush."""

    def flush(self, part, metadata):
        del metadata
        if part:
            raise RuntimeError("full")


def test_after_its_first_failure_a_sink_is_left_out(capsys) -> None:
    inner = Breaking()
    guarded = Guarded("breaking", lambda: inner)
    for part in range(3):
        guarded.write("steps", [{"step": part}])
        guarded.flush(part, {})
    assert [row["step"] for row in inner.rows["steps"]] == [0, 1]
    assert capsys.readouterr().err.count("\n") == 1
