"""The fused mode: the same statistics, the sum of rows as the gradient, and nothing that depends on measuring."""

import gc
import weakref

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from tests import reference
from tests.trainables.coverage import CASES
from tests.trainables.problems import CE, mlp
from tests.trainables.recording import masked, oracle_of
from tests.trainables.specs import quick
from tests.trainables.test_trial import check_parts, trained
from trainables.gradients import convolution, linear
from trainables.gradients.checks import check_model
from trainables.gradients.engine import Engine

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")

PER_TENSOR = {torch.float32: 1e-4, torch.float64: 1e-10}
TOTAL = {torch.float32: 1e-5, torch.float64: 1e-10}
DTYPES = [torch.float32, torch.float64]


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def engine_of(case, dtype, *, fused):
    model, x, y, loss = case.build()
    engine = Engine(model.to(dtype), eval_mode=case.eval_mode, fused=fused)
    engine.plan(x.to(dtype))

    def take(**options):
        with engine.recording() as record:
            losses = loss(masked(case, model, x.to(dtype)), y)
        return record, record.differentiate(losses, mean_gradient=True, **options).tensors

    return engine, take


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_statistics_taken_on_the_way_equal_a_loop_over_examples(name, fused, dtype):
    engine, take = engine_of(CASES[name], dtype, fused=fused)
    oracle = oracle_of(CASES[name])
    record, mean = take(keep=False)
    norms, floor = record.square_norms(), 0.0 if dtype == torch.float64 else 1e-12
    for layer in engine.layers:
        for tensor in layer.tensors:
            expected = oracle[layer.parameter(tensor)].flatten(1).square().sum(dim=1)
            torch.testing.assert_close(norms[layer.name][tensor], expected, rtol=PER_TENSOR[dtype], atol=floor)
    whole = reference.flat(oracle)
    torch.testing.assert_close(record.norms(), whole.norm(dim=1), rtol=TOTAL[dtype], atol=0)
    assert list(mean) == list(oracle)
    scale = float(whole.mean(0).norm())
    for key, rows in oracle.items():
        torch.testing.assert_close(mean[key].double(), rows.mean(0), rtol=TOTAL[dtype], atol=TOTAL[dtype] * scale)


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_the_mean_gradient_is_the_same_bit_for_bit_whatever_is_measured(name, fused):
    _, take = engine_of(CASES[name], torch.float32, fused=fused)
    means = [take(keep=keep, measured=measured)[1] for keep in (True, False) for measured in (True, False)]
    for other in means[1:]:
        for key, gradient in means[0].items():
            assert torch.equal(gradient, other[key]), key


@pytest.mark.parametrize("name", ["lenet", "sequence", "group norm", "tokens", "used several times", "layer scale"])
def test_a_fused_record_that_keeps_all_answers_all(name):
    case = CASES[name]
    oracle, flat = oracle_of(case), reference.flat(oracle_of(case))
    _, take = engine_of(case, torch.float64, fused=True)
    record, mean = take(keep=True)
    close = {"rtol": 1e-9, "atol": 1e-12}
    torch.testing.assert_close(sum(record.gram().values()), flat @ flat.t(), **close)
    torch.testing.assert_close(sum(record.dots(mean).values()), flat @ flat.mean(0), **close)
    for key, rows in oracle.items():
        torch.testing.assert_close(dict(record.rows())[key].dense(), rows, **close)
        torch.testing.assert_close(record.square_sums()[key], rows.square().sum(0), **close)
        torch.testing.assert_close(record.row_sums().tensors[key], rows.sum(0), **close)


@pytest.mark.parametrize("name", ["mlp", "lenet", "attention of linear layers"])
def test_what_was_not_kept_is_refused_by_layer(name):
    engine, take = engine_of(CASES[name], torch.float32, fused=True)
    record, mean = take(keep=False)
    for ask in (
        record.gram,
        record.row_sums,
        record.square_sums,
        lambda: record.dots(mean),
        lambda: list(record.rows()),
    ):
        with pytest.raises(ValueError, match=f"{engine.layers[0].name!r}.*keep=True"):
            ask()
    record, _ = take(keep=False, measured=False)
    with pytest.raises(ValueError, match="measured=True"):
        record.square_norms()


@pytest.mark.parametrize("name", CASES)
def test_the_check_of_the_first_batch_accepts_fused_engines(name):
    model, x, y, loss = CASES[name].build()
    check_model(Engine(model, eval_mode=CASES[name].eval_mode, fused=True), model, x, lambda outputs: loss(outputs, y))


def test_a_kernel_with_a_missing_term_is_refused_by_parameter(monkeypatch):
    def halved(module, x, d, *, norms):
        found = gradient(module, x, d, norms=norms)
        return found._replace(sums={name: each / 2 for name, each in found.sums.items()})

    gradient = linear.gradient
    monkeypatch.setattr(linear, "gradient", halved)
    model, x, y = mlp(), torch.randn(6, 1, 4, 3), torch.arange(6) % 4
    with pytest.raises(ValueError, match=r"'fc1.weight'"):
        check_model(Engine(model, fused=True), model, x, lambda outputs: CE(outputs, y))


@pytest.mark.parametrize("fused", [True, False])
def test_inputs_and_output_gradients_go_with_the_pass(fused):
    """No hook is left on the graph, which would keep itself alive."""
    model = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.Tanh(), torch.nn.Linear(5, 3))
    seen = []
    model[1].register_forward_hook(lambda *called: seen.append(weakref.ref(called[2])))
    gc.collect()
    gc.disable()
    try:
        with Engine(model, fused=fused).recording() as record:
            losses = CE(model(torch.randn(6, 4)), torch.arange(6) % 3)
        record.differentiate(losses, mean_gradient=True, keep=False)
        del losses
        assert seen[0]() is None
        assert record.norms().shape == (6,)
    finally:
        gc.enable()


@pytest.mark.parametrize("fused", [True, False])
def test_an_input_that_was_changed_in_place_is_refused_by_layer(fused):
    first, second = torch.nn.Linear(4, 4), torch.nn.Linear(4, 3)
    engine = Engine(torch.nn.ModuleList([first, second]), fused=fused)
    with engine.recording() as record:
        hidden = first(torch.randn(6, 4)) * 1.0
        losses = CE(second(hidden), torch.arange(6) % 3)
        hidden.mul_(2.0)
    with pytest.raises(ValueError, match=r"'1'.*in place"):
        record.differentiate(losses, mean_gradient=True, keep=False)


MODELS = [
    {"name": "mlp", "widths": [12]},
    "lenet",
    {"name": "resnet18", "width": 4},
    {"name": "vit", "dim": 8, "depth": 1, "heads": 2},
]


def fused_spec(model, **changes):
    images = {} if model == MODELS[0] else {"dataset": {"name": "digits", "resize": 12, "train_examples": 100}}
    small = {"batch_size": 25, "epochs": 3, "measure": {"probe": {"examples": 40, "schedule": "1-2-5"}}}
    return quick(model=model, engine="fused", **(images and {**images, **small}), **changes)


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_parameters_are_bit_identical_with_measuring_on_and_off(model):
    found = []
    for changes in (
        {},
        {"measure": {"online": None, "probe": None}},
        {"measure": {"online": {"every": 3}, "probe": None}},
    ):
        spec = fused_spec(model).model_dump(mode="json", exclude_defaults=True) | changes
        found.append(
            [p.detach().clone() for p in trained(type(fused_spec(model)).model_validate(spec), 7).model.parameters()]
        )
    for one, *others in zip(*found, strict=True):
        assert all(torch.equal(one, other) for other in others)


@pytest.mark.parametrize("aggregator", ["mean", "rolling-mean-of-3"])
def test_run_in_full_equals_run_in_parts(aggregator, tmp_path):
    check_parts(quick(engine="fused", aggregator=aggregator), tmp_path)


def test_a_resumed_convolutional_network_equals_an_undisturbed_one(tmp_path):
    dataset = {"name": "digits", "resize": 12}
    check_parts(quick(engine="fused", model="lenet", dataset=dataset), tmp_path)


@pytest.mark.parametrize("aggregator", ["median-of-3", {"name": "winsorized", "level": 4.0}])
def test_aggregators_of_rows_and_groups_give_the_same_numbers_in_both_modes(aggregator):
    one, other = (trained(quick(aggregator=aggregator, engine=engine), 4) for engine in ("exact", "fused"))
    for a, b in zip(one.model.parameters(), other.model.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("name", ["lenet", "mlp", "sequence"])
def test_operations_of_torch_are_those_of_a_plain_pass_and_fused_ones_fewer(name, monkeypatch):
    """The guard of the engine's cost: work is counted, as times on a shared machine fail by noise alone."""
    monkeypatch.setattr(convolution, "choose", lambda *_: "runs")
    monkeypatch.setattr(linear, "choose", lambda *_: "lines")
    case = CASES[name]
    model, x, y, loss = case.build()

    def counted(run):
        with FlopCounterMode(display=False) as counter:
            run()
        return counter.get_flop_counts()["Global"], counter.get_total_flops()

    def measured(fused):
        with Engine(model, fused=fused).recording() as record:
            losses = loss(model(x), y)
        record.differentiate(losses, mean_gradient=True, keep=False)
        record.square_norms()

    plain, whole = counted(lambda: loss(model(x), y).mean().backward())
    assert counted(lambda: measured(False)) == (plain, whole)
    fused = counted(lambda: measured(True))[1]
    if name == "sequence":
        assert fused < whole
    else:  # the weight gradient of a convolution takes as many operations as its forward pass; of Linear it stays
        assert fused == whole - plain.get(torch.ops.aten.convolution, 0)
