"""The contract of every model: shapes, weights from the seed alone, independent examples, exact statistics."""

import copy

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from tests import reference
from tests.trainables.problems import CE
from tests.trainables.specs import quick
from trainables.build import build_setting
from trainables.gradients.checks import check_model
from trainables.gradients.engine import Engine
from trainables.models import MODELS
from trainables.registry import Surroundings, load
from trainables.sink import ListSink
from trainables.trial import run_trial

TINY = {
    "mlp": {"widths": [7, 5]},
    "alexnet": {"width": 2},
    "vgg13": {"width": 2},
    "resnet18": {"width": 4},
    "vit": {"dim": 8, "depth": 2, "heads": 2},
}
"""Parameters that make a model cheap to check against a loop; a model not named here is taken as it is."""

SHAPES = {"vgg13": (2, 16, 20), "lenet": (2, 12, 14)}
CHOICES = {name: {"name": name, **TINY.get(name, {})} for name in MODELS} | {
    "resnet18 imagenet": {"name": "resnet18", "width": 4, "stem": "imagenet"},
}
SIZE, OUTPUTS = 4, 3


def build(case: str, seed: int = 0, shape: tuple[int, ...] | None = None) -> tuple[nn.Module, torch.Tensor]:
    """The model in float64 and a batch for it."""
    entry = MODELS[CHOICES[case]["name"]]
    shape = shape or ((2, 32, 32) if "imagenet" in case else SHAPES.get(case, (2, 8, 12)))
    choice = entry.params(**CHOICES[case])
    choice.check(Surroundings(SIZE, "made-up", shape, epochs=1, has_momentum=False))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        model = load(entry)(choice, shape, OUTPUTS).double()
        torch.default_generator.manual_seed(9)
        return model, torch.randn(SIZE, *shape, dtype=torch.float64)


Y = torch.tensor([0, 1, 2, 1])


@pytest.mark.parametrize("case", CHOICES)
def test_outputs_have_their_shape_and_gradients_are_finite(case):
    model, x = build(case)
    outputs = model(x)
    assert outputs.shape == (SIZE, OUTPUTS)
    CE(outputs, Y).mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert bool(parameter.grad.isfinite().all()), name
    assert any(bool(parameter.grad.any()) for parameter in model.parameters())


@pytest.mark.parametrize("case", CHOICES)
def test_weights_depend_on_the_seed_alone(case):
    one, same, other = (build(case, seed)[0].state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("case", CHOICES)
def test_a_batch_is_its_halves_in_either_mode(case):
    model, x = build(case)
    halves = torch.cat([model(x[:2]), model(x[2:])])
    torch.testing.assert_close(model(x), halves, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(copy.deepcopy(model).eval()(x), halves, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("case", CHOICES)
def test_statistics_of_the_engine_equal_a_loop_over_examples(case):
    model, x = build(case)
    oracle = reference.per_example_gradients(model, CE, x, Y)
    engine = Engine(model)
    with engine.recording() as record:
        losses = CE(model(x), Y)
    mean = record.differentiate(losses, mean_gradient=True)
    norms = record.square_norms()
    for layer in engine.layers:
        for tensor in layer.tensors:
            expected = oracle[layer.parameter(tensor)].flatten(1).square().sum(1)
            torch.testing.assert_close(norms[layer.name][tensor], expected, rtol=1e-9, atol=0)
    found, whole = engine.statistics(norms, mean, SIZE)["*"], reference.flat(oracle)
    assert found.q == pytest.approx(float(whole.square().sum()), rel=1e-10)
    assert found.s2 == pytest.approx(float(whole.sum(0).square().sum()), rel=1e-10)
    assert sum(layer.parameters for layer in engine.layers) == sum(p.numel() for p in model.parameters())
    check_model(engine, model, x, lambda outputs: CE(outputs, Y))


@pytest.mark.parametrize("name", MODELS)
def test_images_of_the_usual_sizes_are_accepted(name):
    for shape in ((1, 28, 28), (3, 32, 32)):
        model, x = build(name, shape=shape)
        assert model(x).shape == (SIZE, OUTPUTS)


@pytest.mark.parametrize("shape", [(6,), (3, 3), (1, 3, 64), (1, 2, 2)])
@pytest.mark.parametrize("case", [case for case in CHOICES if case != "mlp"])
def test_other_inputs_are_refused_by_name(case, shape):
    name = CHOICES[case]["name"]
    with pytest.raises(ValueError, match=name):
        MODELS[name].params(**CHOICES[case]).check(Surroundings(SIZE, "made-up", shape, epochs=1, has_momentum=False))


MUST_REFUSE = {
    "batch normalisation": ({"name": "resnet18", "norm": "batch"}, "not measured yet"),
    "another normalisation": ({"name": "resnet18", "norm": "layer"}, "group"),
    "a width that groups do not divide": ({"name": "resnet18", "width": 6}, "multiple of 4"),
    "the imagenet stem on 8 x 8": ({"name": "resnet18", "stem": "imagenet"}, "32 x 32"),
    "vgg13 on 8 x 8": ({"name": "vgg13"}, "16 x 16"),
    "patches that do not tile": ({"name": "vit", "patch": 3}, "multiples of patch 3"),
    "a single patch": ({"name": "vit", "patch": 8}, "16 x 16"),
    "heads that do not divide": ({"name": "vit", "dim": 10, "heads": 4}, "not a multiple of heads 4"),
}


@pytest.mark.parametrize("case", MUST_REFUSE)
def test_what_cannot_be_built_is_refused_when_the_spec_is_made(case):
    model, said = MUST_REFUSE[case]
    with pytest.raises(ValidationError, match=said):
        quick(model=model)


TRIED = [{"name": "resnet18", "width": 8}, {"name": "vit", "dim": 16, "depth": 1, "heads": 2}]


@pytest.mark.parametrize("model", TRIED, ids=lambda model: model["name"])
def test_measuring_changes_no_weight(model):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    off = quick(model=model, measure={"online": None, "probe": None})
    measured, plain = (build_setting(spec, "cpu") for spec in (quick(model=model), off))
    measured.probe_rows()
    for step in range(2):
        measured.train_step(step)
        plain.train_step(step)
    for one, other in zip(measured.model.parameters(), plain.model.parameters(), strict=True):
        assert torch.equal(one, other)
    torch.set_num_threads(threads)


@pytest.mark.parametrize("model", TRIED, ids=lambda model: model["name"])
def test_a_trial_of_two_steps_runs(model):
    measure = {"probe": {"examples": 40, "schedule": "log"}, "evaluate": {"schedule": "log"}}
    sink = ListSink()
    result = run_trial(quick(model=model, batch_size=700, epochs=1, measure=measure), sink, device="cpu")
    assert (result.outcome, result.end_step) == ("completed", 2)
    rows = [row for row in sink.rows["layers"] if row["source"] == "probe" and row["group"] == "all"]
    assert {row["step"] for row in rows} == {0, 1, 2}
    assert all(row["undefined"] is None for row in rows)
