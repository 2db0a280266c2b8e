"""Measured shares on a real Ray whose GPUs are made up: shapes, the order of starting, nodes that may be started."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.orchestrator import packed_ray
from trainables.spec import trial_id

pytestmark = [pytest.mark.ray, pytest.mark.slow]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A launch in a process of its own: this one may hold another Ray."""
    folder = tmp_path_factory.mktemp("packed")
    subprocess.run([sys.executable, "-m", packed_ray.__name__, str(folder)], check=True, timeout=170)
    return json.loads((folder / "found.json").read_text(encoding="utf-8"))


def test_each_trial_is_given_the_share_of_its_kind(found: dict[str, Any]) -> None:
    assert found["completed"] == 2 * packed_ray.EACH
    assert {found["given"][trial_id(spec)] for spec in packed_ray.SMALL} == {"0.25"}
    assert {found["given"][trial_id(spec)] for spec in packed_ray.LARGE} == {"0.5"}


@pytest.mark.parametrize(("specs", "slots"), [(packed_ray.SMALL, 8), (packed_ray.LARGE, 4)], ids=["small", "large"])
def test_trials_of_one_shape_begin_in_the_order_of_the_plan(
    found: dict[str, Any], specs: list[Any], slots: int
) -> None:
    """Up to those that begin together: none begins before all but `slots - 1` of those that stand before it."""
    planned = [trial_id(spec) for spec in specs]
    begun = [identity for identity in found["begun"] if identity in planned]
    assert sorted(begun) == sorted(planned)
    assert all(planned.index(identity) < place + slots for place, identity in enumerate(begun))


def test_nodes_that_the_autoscaler_may_start_are_counted(found: dict[str, Any]) -> None:
    assert found["nodes"] == [{"CPU": 6, "GPU": 2}, *[{"CPU": 8, "GPU": 4}] * 2]


def test_a_plan_for_a_running_cluster_counts_its_nodes(found: dict[str, Any]) -> None:
    plan = found["plan"]
    assert (plan["nodes"], plan["workers"], plan["price"]) == (3, 6 + 2 * 8, 36000)
    assert plan["money"] == pytest.approx(3 * 10 * plan["wall_seconds"], rel=0.1)
