"""What the engine refuses by name: layers, uses and models without an exact per-example gradient."""

import copy
import re

import pytest
import torch

from tests.trainables.problems import CE, mlp
from tests.trainables.refused import REFUSED
from trainables.gradients.checks import check_model
from trainables.gradients.engine import Engine
from trainables.gradients.support import UnsupportedModelError


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_exact_gradient_is_refused_by_name_and_left_as_it_was(name):
    case = REFUSED[name]
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(3)
        model, x, y = case.build(), torch.randn(6, 1, 4, 3), torch.randint(4, (6,))
    before, modes = copy.deepcopy(model.state_dict()), [module.training for module in model.modules()]
    with pytest.raises(UnsupportedModelError, match=re.escape(case.named)) as caught:
        check_model(Engine(model, eval_mode=case.eval_mode), model, x, lambda outputs: CE(outputs, y))
    assert "\n" not in str(caught.value)
    assert all(torch.equal(before[key], tensor) for key, tensor in model.state_dict().items())
    assert modes == [module.training for module in model.modules()]


def test_an_engine_in_evaluation_mode_refuses_a_model_in_training_mode():
    model = mlp()
    with pytest.raises(UnsupportedModelError, match="training mode"), Engine(model, eval_mode=True).recording():
        pass


def test_a_model_without_rules_is_planned_before_it_is_recorded():
    model = REFUSED["recurrence"].build()
    with pytest.raises(UnsupportedModelError, match=re.escape("plan(x)")), Engine(model).recording():
        pass


@pytest.mark.parametrize("change", ["missing", "wrong shape"])
def test_a_direction_that_does_not_fit_is_refused_by_parameter(change):
    model = mlp()
    engine = Engine(model)
    with engine.recording() as record:
        losses = CE(model(torch.randn(3, 1, 4, 3)), torch.tensor([0, 1, 2]))
    record.differentiate(losses, mean_gradient=False)
    direction = {name: torch.ones_like(parameter) for name, parameter in engine.parameters.items()}
    direction["fc1.bias"] = torch.ones(2)
    if change == "missing":
        del direction["fc1.bias"]
    with pytest.raises(ValueError, match=re.escape("'fc1.bias', expected shape (7,)")):
        record.dots(direction)
