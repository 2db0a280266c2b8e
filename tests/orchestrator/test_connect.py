"""A Ray of one's own that does not start is one clear line, not a traceback of Ray's."""

from pathlib import Path
from typing import Any

import pytest

from orchestrator.resources import ClusterError
from orchestrator.tune.connection import connected


def test_a_ray_that_does_not_start_in_time_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def init(**given: Any) -> None:
        raise Exception("The current node timed out during startup.\nThis could happen because ...")

    monkeypatch.setattr("ray.init", init)
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setattr("ray.shutdown", lambda: None)  # of the Ray that other tests use
    said = r"did not start here \(The current node timed out .*Run again"
    with pytest.raises(ClusterError, match=said) as caught, connected(None, tmp_path):
        pass
    assert "\n" not in str(caught.value)
