"""The request to stop, and the surroundings of a launch: both leave the process as they found it."""

import fcntl
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator import scratch
from orchestrator.quiet import quiet
from orchestrator.scratch import environment, short_folder
from orchestrator.stop import StopPoll, StopSwitch, kept_handler

DEADLINE_S = 10.0


@pytest.fixture(autouse=True)
def _default_handler() -> Iterator[None]:
    """Ctrl-C interrupts, as in a terminal: processes started in the background inherit that it is ignored."""
    with kept_handler(signal.SIGINT):
        signal.signal(signal.SIGINT, signal.default_int_handler)
        yield


def wait_for(switch: StopSwitch) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not switch.flag.exists():
        assert time.monotonic() < deadline, "no stop was requested in time"
        time.sleep(0.01)


def test_should_stop_raises_the_flag_and_the_end_lowers_it(tmp_path: Path) -> None:
    with StopSwitch(tmp_path / "stop", lambda: True) as switch:
        wait_for(switch)
        assert switch.requested
        assert StopPoll(switch.flag)()
    assert not switch.interrupted
    assert not switch.flag.exists()


def test_ctrl_c_is_a_request_once_and_an_interruption_twice(tmp_path: Path) -> None:
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with StopSwitch(tmp_path / "stop", lambda: False) as switch:
        signal.raise_signal(signal.SIGINT)
        wait_for(switch)
        assert switch.interrupted
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_caller_s_own_handler_stays(tmp_path: Path) -> None:
    with kept_handler(signal.SIGINT):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with StopSwitch(tmp_path / "stop", lambda: False):
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_error_of_should_stop_stops_and_is_raised(tmp_path: Path) -> None:
    def broken() -> bool:
        raise RuntimeError("the lock was lost")

    switch = StopSwitch(tmp_path / "stop", broken)
    with pytest.raises(RuntimeError, match="the lock was lost"), switch:
        switch._thread.join(DEADLINE_S)
    assert switch.requested


def test_the_temporary_folder_is_short_and_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / ("deep" * 20)))
    with short_folder() as folder:
        assert len(str(folder)) < scratch.SHORT
        (folder / "full").mkdir()
    assert not folder.exists()


def test_folders_of_killed_processes_are_removed_and_living_ones_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(scratch, "SHORT", 1000)
    for name in ("gc-dead", "gc-alive", "gc-young"):
        (tmp_path / name).mkdir()
        marker = tmp_path / name / scratch.IN_USE
        marker.touch()
        if name != "gc-young":
            os.utime(marker, (0, 0))
    with (tmp_path / "gc-alive" / scratch.IN_USE).open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with short_folder():
            left = {path.name for path in tmp_path.iterdir()}
    assert {"gc-alive", "gc-young"} <= left
    assert "gc-dead" not in left


def test_environment_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GC_A", "before")
    monkeypatch.delenv("GC_B", raising=False)
    with environment({"GC_A": "x", "GC_B": "y"}):
        assert (os.environ["GC_A"], os.environ["GC_B"]) == ("x", "y")
    assert os.environ["GC_A"] == "before"
    assert "GC_B" not in os.environ


def test_quiet_takes_children_too_and_gives_back(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def chatter() -> None:
        os.system("echo child; echo error >&2")
        os.write(1, b"descriptor\n")
        raise KeyError

    with pytest.raises(KeyError), quiet(tmp_path / "log"):
        chatter()
    os.write(1, b"after\n")
    assert capfd.readouterr() == ("after\n", "")
    assert (tmp_path / "log").read_text(encoding="utf-8").split() == ["child", "error", "descriptor"]
