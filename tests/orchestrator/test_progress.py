"""Live progress: the arithmetic of the time left, what a pipe gets, and that a terminal stays calm."""

import io
import os
import pty
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from orchestrator.glance import Glance
from orchestrator.progress import TOLD, Progress, Sight
from orchestrator.quiet import quiet
from orchestrator.remaining import Counts, duration, left_between, seconds_left, span, summary
from orchestrator.store import Store


class Clock:
    """Time that passes when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


TEN = {"a": 10.0, "b": 10.0, "c": 10.0, "d": 10.0}


@pytest.mark.parametrize(
    ("taken", "running", "closed", "slots", "expected"),
    [
        pytest.param({}, {}, set(), 1, 40.0, id="nothing ran: the estimate"),
        pytest.param({}, {}, set(), 2, 20.0, id="shared by the slots"),
        pytest.param({}, {}, set(), 8, 10.0, id="no trial runs in two slots"),
        pytest.param({"a": 20.0}, {}, {"a"}, 1, 60.0, id="twice as slow as guessed"),
        pytest.param({"a": 5.0, "b": 5.0}, {"c": 2.0}, {"a", "b"}, 1, 8.0, id="the running trial's rest counts"),
        pytest.param({}, {"a": 50.0}, set(), 1, 30.0, id="a late trial owes nothing"),
        pytest.param({}, {}, {"a", "b"}, 1, 20.0, id="failed trials are no work and no measure"),
        pytest.param({"a": 9.0}, {}, {"a", "b", "c", "d"}, 2, 0.0, id="all ended"),
    ],
)
def test_seconds_left(
    taken: Mapping[str, float], running: Mapping[str, float], closed: set[str], slots: int, expected: float
) -> None:
    assert seconds_left(TEN, taken, running, closed, slots) == pytest.approx(expected)


def test_no_interval_before_three_have_completed() -> None:
    taken = {"a": 9.0, "b": 11.0}
    assert left_between(20.0, TEN, taken, {"a", "b"}) is None
    assert left_between(0.0, TEN, {**taken, "c": 10.0, "d": 10.0}, set(TEN)) is None
    assert left_between(10.0, TEN, {**taken, "c": 10.0}, {"a", "b", "c"}) is not None


def test_the_interval_is_as_wide_as_trials_differ() -> None:
    closed = {"a", "b", "c"}
    alike = left_between(10.0, TEN, dict.fromkeys(closed, 12.0), closed)
    assert alike == pytest.approx((10.0, 10.0))
    apart = left_between(10.0, TEN, {"a": 5.0, "b": 10.0, "c": 20.0}, closed)
    assert apart is not None
    # log ratios -log 2, 0, log 2: t with two degrees of freedom is 1.886, one trial is left and three were seen.
    assert apart[1] / 10.0 == pytest.approx(2 ** (1.8856 * (1 + 1 / 3) ** 0.5), rel=1e-3)
    assert apart[0] * apart[1] == pytest.approx(100.0)


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (19.6, 70.2, "19 to 71 s"),
        (100, 290, "100 s to 5 min"),
        (130, 290, "2 to 5 min"),
        (7000, 9000, "116 min to 2.5 h"),
        (7900, 9000, "2.1 to 2.5 h"),
        (0, 0, "0 to 0 s"),
    ],
)
def test_span(low: float, high: float, text: str) -> None:
    assert span(low, high) == text


def test_a_guess_of_nothing_divides_by_nothing() -> None:
    assert seconds_left({"a": 0.0, "b": 0.0}, {"a": 3.0}, {}, {"a"}, 1) == 0.0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (-3, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (185, "3 min 5 s"),
        (725, "12 min"),
        (7800, "2 h 10 min"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_summary_promises_no_time_when_nothing_is_left() -> None:
    assert (
        summary(Counts(48, 12, 2, 1), 62, 180)
        == "12 of 48 done, 2 running, 33 left, 1 failed; 1 min 2 s gone, about 3 min 0 s left"
    )
    assert summary(Counts(2, 1, 0, 1), 9, 0) == "1 of 2 done, 0 running, 0 left, 1 failed; 9 s gone"


def test_a_pipe_gets_few_lines_and_always_the_last() -> None:
    clock, stream = Clock(), io.StringIO()
    trials = [f"t{number}" for number in range(100)]
    with Progress(dict.fromkeys(trials, 1.0), 1, stream, clock=clock) as progress:
        for trial in trials:
            progress.started(trial)
            clock.now += 1.0
            progress.finished(trial, "completed")
    shown = stream.getvalue().splitlines()
    assert len(shown) == 21
    assert shown[0].startswith("5 of 100 done, 1 running, 94 left, 0 failed; 5 s gone, about 1 min 35 s left")
    assert shown[-1] == "100 of 100 done, 0 running, 0 left, 0 failed; 1 min 40 s gone"


def test_many_quick_trials_do_not_flood_a_pipe() -> None:
    clock, stream = Clock(), io.StringIO()
    trials = [f"t{number}" for number in range(1000)]
    with Progress(dict.fromkeys(trials, 0.01), 1, stream, clock=clock) as progress:
        for trial in trials:
            progress.started(trial)
            clock.now += 0.01
            progress.finished(trial, "completed")
    assert len(stream.getvalue().splitlines()) <= 3


def test_a_failure_is_shown_at_once_in_one_line_with_its_traceback_s_place() -> None:
    stream = io.StringIO()
    with Progress({"a": 1.0, "b": 1.0}, 1, stream, where="results/attempts/{trial_id}") as progress:
        progress.started("a")
        progress.failed("a", "ValueError: first\nsecond")
        assert stream.getvalue() == "failed: a: ValueError: first second (traceback: results/attempts/a)\n"
        progress.finished("a", "failed")
        assert progress.counts() == Counts(total=2, done=0, running=0, failed=1)


def test_interrupted_and_retried_trials_are_left_or_running_never_done() -> None:
    with Progress({"a": 1.0, "b": 1.0}, 1, io.StringIO()) as progress:
        progress.started("a")
        progress.started("a")
        assert progress.counts() == Counts(2, 0, 1, 0)
        progress.finished("a", "interrupted")
        assert progress.counts() == Counts(2, 0, 0, 0)
        progress.finished("b", "diverged")
        assert progress.counts() == Counts(2, 1, 0, 0)


def test_lines_reach_the_stream_while_standard_output_is_sent_to_a_log(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with (
        open(1, "w", encoding="utf-8", closefd=False) as stream,
        Progress({"a": 1.0}, 1, stream) as progress,
        quiet(tmp_path / "log"),
    ):
        os.write(1, b"chatter\n")
        progress.note("seen")
    shown = capfd.readouterr().out
    assert "seen" in shown
    assert "chatter" not in shown
    assert "chatter" in (tmp_path / "log").read_text(encoding="utf-8")


def test_a_reader_that_leaves_hurts_nobody() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", encoding="utf-8") as stream, Progress({"a": 1.0}, 1, stream) as progress:
        progress.note("nobody")
        progress.finished("a", "completed")


def everything(terminal: int) -> bytes:
    """All that was written to a terminal whose other end is closed."""
    shown = b""
    with suppress(OSError):  # the end of a terminal's output is an error by that name
        while content := os.read(terminal, 1 << 16):
            shown += content
    return shown


def test_a_terminal_shows_one_block_and_lines_above_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w", encoding="utf-8") as stream, Progress({"a": 1.0, "b": 1.0}, 1, stream) as progress:
        progress.started("a")
        progress.note("a notice")
        progress.finished("a", "completed")
    shown = everything(ours).decode()
    os.close(ours)
    assert "a notice" in shown
    assert "1 of 2 done" in shown


def test_above_a_screen_a_note_comes_once_and_failures_are_told_until_it_counts_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    trials = [f"{k:012x}" for k in range(6)]
    arms = dict.fromkeys(trials, "an arm")
    sight = Sight("demo", dict.fromkeys(trials, "pending"), arms, Glance(Store(tmp_path), arms))
    ours, theirs = pty.openpty()
    weights = dict.fromkeys(trials, 1.0)
    with os.fdopen(theirs, "w", encoding="utf-8") as stream, Progress(weights, 1, stream, sight=sight) as progress:
        for trial in trials:
            progress.started(trial)
            progress.note("a worker was lost")
            progress.failed(trial, "ValueError: no")
            progress.finished(trial, "failed")
    shown = everything(ours).decode()
    os.close(ours)
    assert shown.count("a worker was lost") == 1
    assert shown.count("ValueError: no") == TOLD
    assert set(sight.states.values()) == {"failed"}
    assert "an arm" in shown
