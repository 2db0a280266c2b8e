"""Small specs for tests."""

from typing import Any

from trainables.spec import TrialSpec

QUICK: dict[str, Any] = {
    "dataset": "digits",
    "model": {"name": "mlp", "widths": [12]},
    "corruption": {"name": "permuted-labels", "fraction": 0.5},
    "optimizer": {"name": "sgd", "lr": 0.2},
    "batch_size": 50,
    "epochs": 2,
    "seed": 0,
    "measure": {
        "online": {"every": 2, "layers": "1-2-5"},
        "probe": {"examples": 300, "schedule": "1-2-5"},
        "evaluate": {"schedule": {"every": 7}},
    },
}


def quick(**overrides: Any) -> TrialSpec:
    """28 ... 56 steps on 1,400 digits."""
    return TrialSpec.model_validate({**QUICK, **overrides})
