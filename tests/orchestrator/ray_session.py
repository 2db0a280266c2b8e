"""One local Ray of two CPUs for the whole test session; `run_on_ray` uses it, as it is connected already."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from trainables.spec import TrialSpec

CPUS = 2


@pytest.fixture(scope="session")
def ray_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Start Ray once; a second user of this fixture finds it running."""
    import ray

    from orchestrator.quiet import quiet
    from orchestrator.scratch import environment, short_folder
    from orchestrator.tune import OBJECT_STORE_BYTES, SETTINGS

    if ray.is_initialized():
        yield
        return
    log = tmp_path_factory.mktemp("ray") / "session.log"
    with environment(SETTINGS), short_folder() as scratch:
        (scratch / "empty").mkdir()
        with quiet(log), contextlib.chdir(scratch / "empty"):
            ray.init(
                address="local",
                num_cpus=CPUS,
                include_dashboard=False,
                object_store_memory=OBJECT_STORE_BYTES,
                _temp_dir=str(scratch / "ray"),
            )
        yield
        with quiet(log):
            ray.shutdown()


@dataclass
class Recorder:
    """An observer that remembers what it was told."""

    begun: dict[str, int] = field(default_factory=dict)
    outcomes: dict[str, list[str]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def started(self, trial_id: str) -> None:
        self.begun[trial_id] = self.begun.get(trial_id, 0) + 1

    def finished(self, trial_id: str, outcome: str) -> None:
        self.outcomes.setdefault(trial_id, []).append(outcome)

    def failed(self, trial_id: str, message: str) -> None:
        self.failures[trial_id] = message

    def note(self, text: str) -> None:
        self.notes.append(text)


def tiny(seed: int) -> TrialSpec:
    """A trial of a second, told apart by its seed."""
    return TrialSpec.model_validate(
        {
            "dataset": "digits",
            "model": {"name": "mlp", "widths": [8]},
            "optimizer": {"name": "sgd", "lr": 0.1},
            "batch_size": 64,
            "epochs": 2,
            "seed": seed,
            "measure": {"probe": {"examples": 100}},
        }
    )


def lines(path: Path) -> list[list[str]]:
    """Words of each line that attempts have appended to a file."""
    return [line.split() for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
