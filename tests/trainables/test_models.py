"""The contract of every model: shapes, weights from the seed alone, independent examples, exact statistics."""

import copy
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from tests import reference
from tests.trainables.noise import is_noisy, quiet
from tests.trainables.problems import CE
from tests.trainables.specs import quick
from trainables.build import build_setting
from trainables.contracts.base import Subject
from trainables.contracts.models import ModelContract
from trainables.example_units import ExampleUnits
from trainables.gradients.checks import check_model
from trainables.gradients.engine import Engine
from trainables.models import MODELS
from trainables.models.table import page
from trainables.passes import GroupedUnits
from trainables.registry import Surroundings, load
from trainables.sink import ListSink
from trainables.trial import run_trial

TIMM = find_spec("timm") is not None
"""timm is not required: its networks are tested where it is installed."""

TINY = {
    "mlp": {"widths": [7, 5]},
    "alexnet": {"width": 2},
    "vgg13": {"width": 2},
    "vgg13-bn": {"width": 2},
    "resnet18": {"width": 4},
    "resnet50": {"width": 4},
    "torchvision": {"model": "squeezenet1_1"},
    "vit": {"dim": 8, "depth": 2, "heads": 2},
    "timm": {"model": "test_vit"},
}
"""Parameters that make a model cheap to check against a loop; a model not named here is taken as it is."""

CHOICES = {name: {"name": name, **TINY.get(name, {})} for name in MODELS.builtin if name != "timm" or TIMM} | {
    "alexnet dropout": {"name": "alexnet", "width": 2, "dropout": 0.5},
    "alexnet imagenet": {"name": "alexnet", "width": 2, "stem": "imagenet", "dropout": 0.0},
    "resnet18 imagenet": {"name": "resnet18", "width": 4, "stem": "imagenet"},
    "cnn16 group": {"name": "cnn16", "norm": "group"},
    "cnn16 batch": {"name": "cnn16", "norm": "batch"},
    "resnet18 batch": {"name": "resnet18", "width": 4, "norm": "batch"},
    "resnet50 batch": {"name": "resnet50", "width": 4, "norm": "batch", "stem": "imagenet"},
    "torchvision batch": {"name": "torchvision", "model": "shufflenet_v2_x0_5"},
}
SIZE, OUTPUTS = 4, 3


def chosen(case: str):
    """The parameters of a case."""
    return MODELS[CHOICES[case]["name"]].params(**CHOICES[case])


def around(shape: tuple[int, ...], batch_size: int = SIZE) -> Surroundings:
    """A trial on a made-up data set."""
    return Surroundings(batch_size, "made-up", shape, epochs=1, has_momentum=False)


def smallest(case: str) -> tuple[int, ...]:
    """Two channels, or three, of the smallest height that the model takes, and a width that differs where it may."""
    least = getattr(chosen(case), "least", 0) or 8
    return (3 if case.startswith("torchvision") else 2, least, least + (4 if least < 32 else 0))


def build(case: str, seed: int = 0, shape: tuple[int, ...] | None = None) -> tuple[nn.Module, torch.Tensor]:
    """The model in float64 and a batch for it."""
    shape, choice = shape or smallest(case), chosen(case)
    choice.check(around(shape))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        model = load(MODELS[choice.name])(choice, shape, OUTPUTS).double()
        torch.default_generator.manual_seed(9)
        return model, torch.randn(SIZE, *shape, dtype=torch.float64)


Y = torch.tensor([0, 1, 2, 1])


class TestModels(ModelContract):
    """Every case; trials of all would take long, and those of two are below."""

    subjects = {case: Subject(MODELS[CHOICES[case]["name"]], chosen(case)) for case in CHOICES}
    test_a_trial_runs_and_resumes = None

    def built(self, subject, seed=0):
        """Of the case's own smallest shape."""
        case = next(case for case, one in self.subjects.items() if one is subject)
        return build(case, seed)


@pytest.mark.parametrize("case", CHOICES)
def test_a_pass_draws_from_torchs_generator_alone(case):
    model, x = build(case)

    def outputs(seed: int) -> torch.Tensor:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            return copy.deepcopy(model)(x)

    assert torch.equal(outputs(1), outputs(1))
    assert torch.equal(outputs(1), outputs(2)) is not is_noisy(model)


ALONE = [case for case in CHOICES if not getattr(chosen(case), "mixes_examples", False)]


@pytest.mark.parametrize("case", ALONE)
def test_statistics_of_the_engine_equal_a_loop_over_examples(case):
    model, x = build(case)
    model = quiet(model)
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


LARGE = ("inception-v3", "efficientnet-b0")
BY_LOOPS = [pytest.param(case, marks=pytest.mark.slow) if case in LARGE else case for case in CHOICES]


@pytest.mark.parametrize("case", BY_LOOPS)
def test_evaluation_mode_statistics_equal_a_loop_over_examples(case):
    model, x = build(case)
    for _ in range(3):
        model(x)  # running statistics that are about those of the batch
    oracle = reference.flat(reference.per_example_gradients(copy.deepcopy(model).eval(), CE, x, Y))
    engine = Engine(model, eval_mode=True)
    units = ExampleUnits(model, CE, engine, eval_mode=True)
    with units.mode():
        engine.plan(x)
    found = units.statistics(x, Y)["*"]
    assert found.q == pytest.approx(float(oracle.square().sum()), rel=1e-8)
    assert found.s2 == pytest.approx(float(oracle.sum(0).square().sum()), rel=1e-8)


@pytest.mark.parametrize("case", BY_LOOPS)
def test_grouped_statistics_equal_a_loop_over_groups(case):
    model, x = build(case)
    model = quiet(model)
    rows = []
    for group in (slice(0, 2), slice(2, 4)):
        twin = copy.deepcopy(model)
        CE(twin(x[group]), Y[group]).mean().backward()
        rows.append(torch.cat([parameter.grad.flatten() for parameter in twin.parameters()]))
    state = copy.deepcopy(model.state_dict())
    found, w = GroupedUnits(model, CE, 2).statistics(x, Y)["*"], torch.stack(rows)
    assert (found.n, found.k) == (2, 2)
    assert found.q == pytest.approx(float(w.square().sum()), rel=1e-8)
    assert found.s2 == pytest.approx(float(w.sum(0).square().sum()), rel=1e-8)
    assert all(torch.equal(state[name], tensor) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("case", CHOICES)
def test_images_of_the_usual_sizes_are_accepted(case):
    for shape in ((1, 28, 28), (3, 32, 32)):
        if getattr(chosen(case), "least", 0) <= shape[1]:
            model, x = build(case, shape=shape)
            assert model(x).shape == (SIZE, OUTPUTS)


@pytest.mark.parametrize("case", [case for case in CHOICES if case != "mlp"])
def test_other_inputs_are_refused_by_name_in_one_line(case):
    choice = chosen(case)
    least = choice.least
    for shape in [(6,), (3, 3), (1, least - 1, 2 * least), (1, 2 * least, least - 1)]:
        with pytest.raises(ValueError, match=f"^{choice.name} needs [^\n]*$"):
            choice.check(around(shape))


@pytest.mark.parametrize("case", [case for case in CHOICES if case not in ALONE])
def test_batch_norm_of_a_single_example_is_refused_by_name(case):
    choice = chosen(case)
    with pytest.raises(ValueError, match=f"^{choice.name} .*batch_size is 1"):
        choice.check(around(smallest(case), batch_size=1))


def test_the_page_of_models_is_the_registrys():
    assert (Path(__file__).parents[2] / "docs/models.md").read_text() == page()


def test_batch_norm_is_accepted_where_it_can_be_measured():
    model = {"name": "resnet18", "norm": "batch"}
    for estimator in ({"name": "grouped", "k": 10}, "eval-mode"):
        spec = quick(model=model, estimator=estimator, aggregator="median-of-3", batch_size=60)
        assert spec.mixes_examples
    with pytest.raises(ValidationError, match="norm: group"):
        quick(model=model, estimator="eval-mode", aggregator={"name": "winsorized", "level": 4})


MUST_REFUSE = {
    "batch normalisation, one example a unit": ({"name": "resnet18", "norm": "batch"}, "grouped"),
    "another normalisation": ({"name": "resnet18", "norm": "layer"}, "'group' or 'batch'"),
    "a width that groups do not divide": ({"name": "resnet18", "width": 6}, "multiple of 4"),
    "the imagenet stem on 8 x 8": ({"name": "resnet18", "stem": "imagenet"}, "32 x 32"),
    "alexnet's imagenet stem on 8 x 8": ({"name": "alexnet", "stem": "imagenet"}, "63 x 63"),
    "dropping everything": ({"name": "alexnet", "dropout": 1.0}, "less than 1"),
    "vgg13 on 8 x 8": ({"name": "vgg13"}, "16 x 16"),
    "inception on 8 x 8": ("inception-v3", "75 x 75"),
    "a misspelt network of torchvision": ({"name": "torchvision", "model": "resnet19"}, "'resnet18'"),
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
    measured.watch.rows(0)
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
