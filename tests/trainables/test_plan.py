"""Which way a layer is measured, on what state of the model, and that looking changes nothing."""

import copy
from pathlib import Path

import pytest
import torch

from tests.trainables.coverage import CASES, page
from tests.trainables.recording import recorded
from trainables.gradients.checks import check_model
from trainables.gradients.engine import Engine

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")


@pytest.mark.parametrize("name", CASES)
def test_a_case_takes_the_path_that_the_table_says(name):
    engine, _, _ = recorded(CASES[name], torch.float32, mean_gradient=False)
    through = CASES[name].through
    expected = {layer.name: "rule" for layer in engine.layers}
    assert through.keys() <= expected.keys()
    assert engine.paths == expected | {layer: f"torch.func through {owner}" for layer, owner in through.items()}


@pytest.mark.parametrize("name", CASES)
def test_the_plan_depends_on_no_value(name):
    engine, _, _ = recorded(CASES[name], torch.float32, mean_gradient=False)
    found = engine.paths
    with torch.no_grad():
        for parameter in engine.model.parameters():
            parameter.zero_()
    engine.plan(torch.zeros_like(CASES[name].build()[1]))
    assert engine.paths == found


@pytest.mark.parametrize("name", ["batch norm 1d", "batch norm inside", "dropout"])
def test_the_mode_of_the_model_after_the_pass_changes_nothing(name):
    case = CASES[name]
    engine, record, mean = recorded(case, torch.float64, mean_gradient=True)
    before = copy.deepcopy(engine.model.state_dict())
    engine.model.train(case.eval_mode)
    _, expected, _ = recorded(case, torch.float64, mean_gradient=True)
    for one, other in (
        (record.dots(mean.tensors), expected.dots(mean.tensors)),
        (record.gram(), expected.gram()),
        (record.square_sums(), expected.square_sums()),
        (record.weighted_sum(torch.ones(5)).tensors, expected.weighted_sum(torch.ones(5)).tensors),
    ):
        assert all(torch.equal(one[key], other[key]) for key in other)
    assert all(torch.equal(before[key], tensor) for key, tensor in engine.model.state_dict().items())
    assert engine.model.training == case.eval_mode


def test_weights_that_changed_since_the_pass_are_refused_by_name():
    engine, record, _ = recorded(CASES["vision transformer"], torch.float32, mean_gradient=True)
    with torch.no_grad():
        engine.model.encoder.layers[1].self_attention.in_proj_bias += 1.0
    with pytest.raises(ValueError, match="before the update"):
        record.square_norms()


@pytest.mark.parametrize("name", CASES)
def test_the_check_of_the_first_batch_accepts_what_is_supported_and_changes_nothing(name):
    model, x, y, loss = CASES[name].build()
    before, modes = copy.deepcopy(model.state_dict()), [module.training for module in model.modules()]
    generator = torch.get_rng_state()
    check_model(Engine(model, eval_mode=CASES[name].eval_mode), model, x, lambda outputs: loss(outputs, y))
    assert all(torch.equal(before[key], tensor) for key, tensor in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert modes == [module.training for module in model.modules()]
    assert torch.equal(generator, torch.get_rng_state())


@pytest.mark.parametrize("name", ["mlp", "vision transformer"])
def test_hooks_are_removed_even_after_an_error(name):
    model, x, _, _ = CASES[name].build()
    engine = Engine(model)
    engine.plan(x)
    with pytest.raises(KeyError), engine.recording():
        raise KeyError
    assert all(not module._forward_hooks and not module._forward_pre_hooks for module in model.modules())
    model(x)


def test_the_coverage_page_is_up_to_date():
    assert (Path(__file__).parents[2] / "docs/coverage.md").read_text() == page()


@pytest.mark.parametrize("name", CASES)
def test_a_plan_is_taken_over_by_an_engine_of_the_same_model(name):
    engine, _, _ = recorded(CASES[name], torch.float32, mean_gradient=False)
    other = Engine(engine.model, eval_mode=engine.eval_mode, fused=not engine.fused)
    other.plan_like(engine)
    assert other.paths == engine.paths


def test_a_plan_of_another_model_or_mode_is_refused():
    model, other = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    with pytest.raises(ValueError, match="another model"):
        Engine(model).plan_like(Engine(other))
    with pytest.raises(ValueError, match="another model or mode"):
        Engine(model).plan_like(Engine(model, eval_mode=True))
