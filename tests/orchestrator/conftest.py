"""Fixtures of the orchestrator's tests."""

from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.cli import main
from orchestrator.store import Store, create_store
from tests.orchestrator.fakes import FakeTrial
from trainables.location import Location


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return create_store(tmp_path / "store")


@pytest.fixture
def any_store(place: Location) -> Store:
    """An empty store, in a folder and in an object store."""
    return create_store(place)


@pytest.fixture
def fake_trial(monkeypatch: pytest.MonkeyPatch) -> FakeTrial:
    """Replaces the real trial."""
    fake = FakeTrial()
    monkeypatch.setattr("trainables.trial.run_trial", fake)
    return fake


@pytest.fixture
def coherence(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs the command in this process: exit code, standard output, standard error."""

    def call(*arguments: str | Path) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return call
