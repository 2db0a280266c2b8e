"""The table of layer sizes against what torch itself counts."""

from typing import Any

import pytest

from orchestrator.geometry import layers_of
from trainables.spec import TrialSpec

CASES: dict[str, tuple[str, Any]] = {
    "mlp": ("mnist-5k", {"name": "mlp", "widths": [32, 16]}),
    "mlp without bias": ("digits", {"name": "mlp", "widths": [7], "bias": False}),
    "lenet": ("mnist-5k", "lenet"),
    "cnn16": ("mnist-5k", "cnn16"),
    "cnn16, group": ("mnist-5k", {"name": "cnn16", "norm": "group"}),
    "alexnet": ("mnist-5k", {"name": "alexnet", "width": 8}),
    "vgg13": ("mnist-5k", {"name": "vgg13", "width": 4}),
    "resnet18": ("mnist-5k", {"name": "resnet18", "width": 8}),
    "resnet18, imagenet": ("cifar10", {"name": "resnet18", "width": 8, "stem": "imagenet"}),
    "vit": ("mnist-5k", {"name": "vit", "patch": 7, "dim": 16, "depth": 2, "heads": 2}),
}


@pytest.mark.parametrize("case", CASES)
def test_layers_are_as_torch_has_them(case: str) -> None:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from trainables.gradients.engine import Engine
    from trainables.models import MODELS
    from trainables.registry import load

    dataset, model = CASES[case]
    spec = spec_of(dataset, model)
    facts = spec.dataset_facts
    built = load(MODELS[spec.model.name])(spec.model, facts.shape, facts.classes)
    found = layers_of(spec)
    assert [layer.parameters for layer in found] == [layer.parameters for layer in Engine(built).layers]
    with FlopCounterMode(display=False) as counted, torch.no_grad():
        built(torch.zeros(2, *facts.shape))
    assert 2 * 2 * sum(layer.macs for layer in found) == pytest.approx(counted.get_total_flops())


def spec_of(dataset: str, model: Any, **changes: Any) -> TrialSpec:
    given = {"dataset": dataset, "model": model, "optimizer": {"name": "sgd", "lr": 0.1}, "batch_size": 32}
    return TrialSpec.model_validate({**given, "epochs": 1, "seed": 0, **changes})
