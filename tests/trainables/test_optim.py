"""Optimizers: the same parameters as torch's, where weight decay enters, and what is refused."""

import pytest
import torch
from pydantic import ValidationError

from tests.trainables.specs import quick
from trainables.build import build_setting
from trainables.contracts.base import subject_of
from trainables.contracts.optimizers import OptimizerContract, directions
from trainables.optim import OPTIMIZERS
from trainables.registry import load

CASES = {
    "sgd": ({"name": "sgd"}, torch.optim.SGD, {}),
    "momentum": ({"name": "sgd", "momentum": 0.9}, torch.optim.SGD, {"momentum": 0.9}),
    "nesterov": (
        {"name": "sgd", "momentum": 0.8, "nesterov": True, "weight_decay": 0.02},
        torch.optim.SGD,
        {"momentum": 0.8, "nesterov": True, "weight_decay": 0.02},
    ),
    "decay": ({"name": "sgd", "weight_decay": 0.1}, torch.optim.SGD, {"weight_decay": 0.1}),
    "adam": ({"name": "adam"}, torch.optim.Adam, {}),
    "adam, all": (
        {"name": "adam", "beta1": 0.7, "beta2": 0.9, "eps": 1e-3, "weight_decay": 0.1},
        torch.optim.Adam,
        {"betas": (0.7, 0.9), "eps": 1e-3, "weight_decay": 0.1},
    ),
    "adamw": ({"name": "adamw"}, torch.optim.AdamW, {}),
    "adamw, all": ({"name": "adamw", "weight_decay": 0.3}, torch.optim.AdamW, {"weight_decay": 0.3}),
}


class TestOptimizers(OptimizerContract):
    """At a rate at which all of them descend."""

    subjects = {case: subject_of(OPTIMIZERS[one["name"]], {**one, "lr": 0.1}) for case, (one, _, _) in CASES.items()}


@pytest.mark.parametrize("case", CASES)
def test_twenty_steps_at_changing_rates_equal_torch(case):
    content, kind, options = CASES[case]
    ours = load(OPTIMIZERS[content["name"]])(OPTIMIZERS[content["name"]].params(**content, lr=0.1))
    mine = {name: torch.nn.Parameter(start) for name, start in directions(99).items()}
    theirs = {name: torch.nn.Parameter(start) for name, start in directions(99).items()}
    twin = kind(theirs.values(), lr=0.1, **options)
    for step in range(20):
        lr = 0.1 / (1 + step)
        ours.apply(mine, directions(step), lr, decay=True)
        twin.param_groups[0]["lr"] = lr
        for name, gradient in directions(step).items():
            theirs[name].grad = gradient
        twin.step()
        for name, parameter in mine.items():
            torch.testing.assert_close(parameter, theirs[name], rtol=1e-13, atol=1e-14)


def weights(setting):
    return torch.cat([parameter.detach().flatten() for parameter in setting.model.parameters()])


def test_decay_enters_each_gradient_before_the_rolling_median():
    spec = quick(aggregator="rolling-median-of-3", optimizer={"name": "sgd", "lr": 0.2, "weight_decay": 0.3})
    setting, twin = build_setting(spec, "cpu"), build_setting(spec, "cpu")
    history = []
    for step in range(6):
        x, y = twin._batch(step)
        found = torch.autograd.grad(twin.watch.units.loss(twin.model(x), y).mean(), list(twin.model.parameters()))
        history.append(torch.cat([g.flatten() for g in found]) + 0.3 * weights(twin))
        if step >= 2:
            median = torch.stack(history[-3:]).median(dim=0).values
            torch.nn.utils.vector_to_parameters(weights(twin) - 0.2 * median, list(twin.model.parameters()))
        setting.train_step(step)
        torch.testing.assert_close(weights(setting), weights(twin), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    "aggregator", ["mean", "rolling-mean-of-3", "median-of-3", {"name": "norm-clipped", "clip": 1}]
)
def test_decay_is_added_after_any_other_rule(aggregator):
    decaying = {"name": "sgd", "lr": 0.2, "weight_decay": 0.3}
    with_decay, without = (
        build_setting(quick(aggregator=aggregator, optimizer=o, seed=3), "cpu")
        for o in (decaying, {"name": "sgd", "lr": 0.2})
    )
    idle = 2 if aggregator == "rolling-mean-of-3" else 0
    start = weights(without).clone()
    for step in range(idle + 1):
        with_decay.train_step(step)
        without.train_step(step)
    torch.testing.assert_close(weights(with_decay), weights(without) - 0.2 * 0.3 * start, rtol=1e-5, atol=1e-7)


def test_decay_is_never_measured():
    rows = []
    for decay in (0.0, 0.5):
        setting = build_setting(quick(optimizer={"name": "sgd", "lr": 0.2, "weight_decay": decay}), "cpu")
        rows.append(setting.train_step(0).step_row)
    assert rows[0] == rows[1]


@pytest.mark.parametrize(
    "optimizer", [{"name": "sgd", "momentum": 0.9}, {"name": "adam"}, {"name": "adamw"}], ids=lambda o: o["name"]
)
def test_momentum_with_the_rolling_median_is_refused(optimizer):
    with pytest.raises(ValidationError, match="rolling-median-of-3 does not go with momentum"):
        quick(aggregator="rolling-median-of-3", optimizer={**optimizer, "lr": 0.1})
    quick(aggregator="rolling-mean-of-3", optimizer={**optimizer, "lr": 0.1})


def test_nesterov_without_momentum_is_refused():
    with pytest.raises(ValidationError, match="needs a momentum above 0"):
        quick(optimizer={"name": "sgd", "lr": 0.1, "nesterov": True})
