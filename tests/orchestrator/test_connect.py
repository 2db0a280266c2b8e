"""A Ray of one's own that does not start is one clear line, not a traceback of Ray's."""

from pathlib import Path
from typing import Any

import pytest

from orchestrator import tune
from orchestrator.resources import ClusterError


def test_a_ray_that_does_not_start_in_time_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def init(**given: Any) -> None:
        raise Exception("The current node timed out during startup.\nThis could happen because ...")

    monkeypatch.setattr("ray.init", init)
    with pytest.raises(ClusterError, match=r"did not start here \(The current node timed out .*Run again") as caught:
        tune._connect(None, tmp_path)
    assert "\n" not in str(caught.value)
