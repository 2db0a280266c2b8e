"""Shared fixtures: a tiny trial, and hypothesis without clocks or randomness between runs."""

import pytest
from hypothesis import settings

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
