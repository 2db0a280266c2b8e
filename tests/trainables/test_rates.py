"""Learning-rate schedules: closed forms, warm-up, the rates of torch, and what is refused."""

import pytest
import torch
from pydantic import ValidationError

from tests.trainables.specs import quick
from trainables.build import build_setting
from trainables.rates import SCHEDULES
from trainables.registry import load
from trainables.sink import ListSink
from trainables.trial import run_trial

EXAMPLES = {
    "constant": {},
    "step": {"milestones": [2, 4], "gamma": 0.5},
    "cosine": {"final": 0.1},
    "linear": {"final": 0.2},
}
PER_EPOCH, EPOCHS = 10, 6


def factors(name, **parameters):
    choice = SCHEDULES[name].params(name=name, **EXAMPLES.get(name, {}) | parameters)
    factor = load(SCHEDULES[name])
    return [factor(choice, step, PER_EPOCH * EPOCHS, PER_EPOCH) for step in range(PER_EPOCH * EPOCHS)]


TORCH = {
    "constant": lambda o: torch.optim.lr_scheduler.LambdaLR(o, lambda _: 1.0),
    "step": lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [20, 40], gamma=0.5),
    "cosine": lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 60, eta_min=0.1),
    "linear": lambda o: torch.optim.lr_scheduler.LinearLR(o, 1.0, 0.2, total_iters=60),
}


@pytest.mark.parametrize("name", TORCH)
def test_rates_are_those_of_torch(name):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler, expected = TORCH[name](optimizer), []
    for _ in range(60):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert factors(name) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_warms_up_along_a_line_and_then_starts_at_one(name):
    found = factors(name, warmup_epochs=2)
    assert found[:20] == pytest.approx([(t + 1) / 20 for t in range(20)])
    assert found[20] == (1.0 if name != "step" else 0.5)
    assert all(0 < factor <= 1 for factor in found)


@pytest.mark.parametrize("name", SCHEDULES)
def test_no_schedule_rises_after_its_warm_up(name):
    found = factors(name, warmup_epochs=1)
    assert found[10:] == sorted(found[10:], reverse=True)


def test_the_rate_of_each_step_is_recorded_and_used():
    spec = quick(schedule={"name": "step", "milestones": [1], "gamma": 0.5})
    sink = ListSink()
    run_trial(spec, sink, device="cpu")
    assert {(row["epoch"], row["lr"]) for row in sink.rows["steps"]} == {(0, 0.2), (1, 0.1)}
    halved = build_setting(quick(schedule={"name": "constant", "warmup_epochs": 1}), "cpu")
    whole = build_setting(quick(), "cpu")
    start = next(whole.model.parameters()).detach().clone()
    for setting in (halved, whole):
        setting.train_step(0)
    moved = [next(setting.model.parameters()).detach() - start for setting in (halved, whole)]
    torch.testing.assert_close(moved[0] * 28, moved[1], rtol=1e-3, atol=1e-6)


REFUSED = {
    "warm-up as long as the trial": {"name": "constant", "warmup_epochs": 2},
    "a milestone after the end": {"name": "step", "milestones": [2]},
    "falling milestones": {"name": "step", "milestones": [1, 1]},
    "no milestones": {"name": "step", "milestones": []},
    "a final fraction above one": {"name": "cosine", "final": 1.5},
    "an unknown schedule": "cosin",
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_schedule_that_cannot_work_is_refused(case):
    with pytest.raises(ValidationError):
        quick(schedule=REFUSED[case])
