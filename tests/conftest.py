"""Shared fixtures: a tiny trial, and hypothesis without clocks or randomness between runs."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from trainables.location import Location, locate
from trainables.spec import TrialSpec

settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=50)
settings.load_profile("repeatable")


@pytest.fixture
def tiny_spec() -> TrialSpec:
    """A trial of a fraction of a second on scikit-learn's digits."""
    return TrialSpec.model_validate(
        {
            "dataset": "digits",
            "model": {"name": "mlp", "widths": [8]},
            "optimizer": {"name": "sgd", "lr": 0.1},
            "batch_size": 100,
            "epochs": 1,
            "seed": 0,
            "measure": {"probe": None, "online": {"every": 5}, "evaluate": {"schedule": "1-2-5"}},
        }
    )


@pytest.fixture(scope="session")
def s3_environment() -> Iterator[dict[str, str]]:
    """What leads to the S3 server of this session, which holds one bucket."""
    from tests.object_store import s3_server

    with s3_server() as environment:
        yield environment


@pytest.fixture
def s3_prefix(s3_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Location:
    """An empty place in the bucket, and the environment that leads to it."""
    from tests.object_store import new_prefix

    for name, value in s3_environment.items():
        monkeypatch.setenv(name, value)
    return locate(new_prefix())


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest) -> Location:
    """Where a store could be: a folder, then an object store."""
    name = "tmp_path" if request.param == "folder" else "s3_prefix"
    found: Location = request.getfixturevalue(name)
    return found / "inner"
