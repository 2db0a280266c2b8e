"""What a launch is expected to take stands in the provenance of its trials."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from orchestrator.attempt import RunOptions
from orchestrator.expectation import with_expectation
from orchestrator.resources import Resources
from orchestrator.shapes import Shapes
from tests.orchestrator.fakes import FakeTrial
from tests.orchestrator.ray_session import tiny
from trainables.spec import trial_id

Coherence = Callable[..., tuple[int, str, str]]
SPECS = [tiny(seed) for seed in range(3)]
ESTIMATES = {trial_id(spec): 10.0 for spec in SPECS}
OPTIONS = RunOptions("store", provenance='{"host": "here"}', driver="d")


def test_it_is_the_plans_wall_time_on_the_nodes_at_hand() -> None:
    found = json.loads(with_expectation(OPTIONS, SPECS, ESTIMATES, Shapes(Resources()), [{"CPU": 2.0}]).provenance)
    assert found["host"] == "here"
    assert {key: found["launch"][key] for key in ("id", "trials", "at_once", "wall_s")} == {
        "id": "d",
        "trials": 3,
        "at_once": 2,
        "wall_s": 20.0,
    }


@pytest.mark.parametrize("estimates", [{}, {trial_id(SPECS[0]): 1.0}])
def test_without_an_estimate_of_each_trial_nothing_is_expected(estimates: dict[str, float]) -> None:
    assert with_expectation(OPTIONS, SPECS, estimates) == OPTIONS


def test_a_local_run_records_it(coherence: Coherence, fake_trial: FakeTrial, tmp_path: Path) -> None:
    plan = json.loads(coherence("plan", "smoke", "--json", "--workers", "1", "--store", tmp_path / "r")[1])
    coherence("run", "smoke", "--local", "--store", tmp_path / "r")
    texts = [pq.read_table(path)["provenance"][0].as_py() for path in (tmp_path / "r").glob("trials/*/*.parquet")]
    told = [json.loads(text)["launch"] for text in texts]
    assert [(one["trials"], one["at_once"]) for one in told] == [(plan["planned"], 1)] * plan["planned"]
    assert told[0]["wall_s"] == pytest.approx(plan["wall_seconds"], abs=0.1)
