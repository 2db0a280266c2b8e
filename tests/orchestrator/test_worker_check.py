"""What a worker refuses of its node before a trial."""

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator import packages, preflight
from orchestrator.attempt import RunOptions, run_attempt
from orchestrator.failures import failure_class
from orchestrator.launch import ForWorkers
from orchestrator.resources import ClusterError
from orchestrator.worker_check import require_fit
from tests.orchestrator.ray_session import tiny
from trainables.spec import canonical_json

SPEC = canonical_json(tiny(0))


@pytest.fixture
def launch(tmp_path: Path) -> ForWorkers:
    digest = packages.sources_digest(packages.NUMERICS)
    return ForWorkers(RunOptions(str(tmp_path)), str(tmp_path / "stop"), digest, preflight.versions(), run_attempt, {})


def test_a_node_like_the_drivers_is_fit(launch: ForWorkers) -> None:
    require_fit(launch, SPEC)


REFUSED = {
    "edited sources": ({"digest": "0" * 64}, "edited since"),
    "another torch": ({"versions": {**preflight.versions(), "torch": "1.0"}}, r"torch \S+ \(here 1\.0\)"),
    "no store": ({"flag": "/nowhere/logs/stop"}, "does not see the store .* Give a --store on storage"),
}


@pytest.mark.parametrize(("changes", "said"), REFUSED.values(), ids=REFUSED)
def test_it_refuses_and_says_why(changes: dict, said: str, launch: ForWorkers) -> None:
    with pytest.raises(ClusterError, match=said) as caught:
        require_fit(replace(launch, **changes), SPEC)
    assert failure_class(caught.value) == "infrastructure"


def test_an_unknown_folder_of_images_is_refused_before_the_spec_is_read(launch: ForWorkers) -> None:
    dataset = f'{{"digest":"{"0" * 64}","name":"image-folder","size":8}}'
    spec = f'{{"dataset":{dataset},"seed":0,"version":1}}'
    with pytest.raises(ClusterError, match=r"cannot load .* is not known in"):
        require_fit(launch, spec)
