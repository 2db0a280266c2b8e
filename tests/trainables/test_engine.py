"""The engine against a loop over examples, and its exactness."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tests import reference
from tests.trainables.problems import CE, PROBLEMS
from trainables.gradients import convolution, linear, uses
from trainables.gradients.checks import check_model
from trainables.gradients.engine import Engine
from trainables.gradients.support import RULES

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")

PER_TENSOR = {torch.float32: 1e-4, torch.float64: 1e-10}
TOTAL = {torch.float32: 1e-5, torch.float64: 1e-10}
DTYPES = [torch.float32, torch.float64]


def recorded(model, x, y, loss, *, mean_gradient):
    engine = Engine(model)
    with engine.recording() as record:
        losses = loss(model(x), y)
    return engine, record, record.differentiate(losses, mean_gradient=mean_gradient)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mean_gradient", [True, False])
@pytest.mark.parametrize("name", PROBLEMS)
def test_statistics_equal_a_loop_over_examples(name, mean_gradient, dtype):
    model, x, y, loss = PROBLEMS[name]()
    oracle = reference.per_example_gradients(model, loss, x, y)
    model, x = model.to(dtype), x.to(dtype)
    engine, record, mean = recorded(model, x, y, loss, mean_gradient=mean_gradient)
    norms = record.square_norms()
    for layer in engine.layers:
        for tensor in layer.tensors:
            expected = oracle[layer.parameter(tensor)].flatten(1).square().sum(dim=1)
            torch.testing.assert_close(norms[layer.name][tensor], expected, rtol=PER_TENSOR[dtype], atol=0)
    total = sum(each for layer in norms.values() for each in layer.values())
    whole = reference.flat(oracle)
    torch.testing.assert_close(total, whole.square().sum(dim=1), rtol=TOTAL[dtype], atol=0)
    direction = record.group_sums([slice(None)])[0]
    for parameter, rows in oracle.items():
        torch.testing.assert_close(direction.tensors[parameter].double(), rows.sum(0), rtol=1e-4, atol=1e-5)
        if mean is not None:
            torch.testing.assert_close(mean.tensors[parameter].double(), rows.mean(0), rtol=1e-4, atol=1e-6)
    if mean is not None:
        found = engine.statistics(norms, mean, len(x))["*"]
        assert found.n == len(x)
        assert found.q == pytest.approx(float(whole.square().sum()), rel=TOTAL[dtype])
        assert found.s2 == pytest.approx(float(whole.sum(0).square().sum()), rel=TOTAL[dtype])
        assert found.q4 == pytest.approx(float(whole.square().sum(1).square().sum()), rel=TOTAL[dtype])


def test_every_supported_layer_is_in_a_problem():
    built = {type(module) for build in PROBLEMS.values() for module in build()[0].modules()}
    assert built >= set(RULES)


@pytest.mark.parametrize(
    "name", ["sequence", "used several times", "padded circular", "one axis reflect", "tokens twice"]
)
def test_chunks_of_one_example_change_no_statistic(name, monkeypatch):
    model, x, y, loss = PROBLEMS[name]()
    _, whole, _ = recorded(model.double(), x.double(), y, loss, mean_gradient=True)
    norms = whole.square_norms()
    for module, constant in ((convolution, "PATCH_BYTES"), (linear, "ROW_BYTES"), (uses, "ROW_BYTES")):
        monkeypatch.setattr(module, constant, 1)
    for layer, tensors in whole.square_norms().items():
        for tensor, found in tensors.items():
            torch.testing.assert_close(found, norms[layer][tensor], rtol=1e-12, atol=0)


@pytest.mark.parametrize("mean_gradient", [True, False])
@pytest.mark.parametrize("name", PROBLEMS)
def test_rows_and_groups_equal_a_loop_over_examples(name, mean_gradient):
    model, x, y, loss = PROBLEMS[name]()
    oracle = reference.per_example_gradients(model, loss, x, y)
    _, record, _ = recorded(model.double(), x.double(), y, loss, mean_gradient=mean_gradient)
    for parameter, rows in record.rows():
        torch.testing.assert_close(rows.dense(), oracle[parameter], rtol=1e-10, atol=1e-12)
    groups = [slice(0, 1), torch.arange(1, len(x)), slice(0, 0)]
    for group, direction in zip(groups, record.group_sums(groups), strict=True):
        for parameter, total in direction.tensors.items():
            torch.testing.assert_close(total, oracle[parameter][group].sum(0), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("mean_gradient", [True, False])
@pytest.mark.parametrize("name", PROBLEMS)
def test_norms_and_weighted_sums_equal_a_loop_over_examples(name, mean_gradient):
    model, x, y, loss = PROBLEMS[name]()
    expected = reference.per_example_gradients(model, loss, x, y)
    model, x = model.double(), x.double()
    engine = Engine(model)
    with engine.recording() as record:
        losses = loss(model(x), y)
    record.differentiate(losses, mean_gradient=mean_gradient)
    torch.testing.assert_close(record.norms(), reference.flat(expected).norm(dim=1))
    weights = torch.linspace(-1, 2, len(x), dtype=torch.float64)
    found = record.weighted_sum(weights).tensors
    for key, rows in expected.items():
        torch.testing.assert_close(found[key], torch.einsum("i,i...->...", weights, rows))


def test_thirds_are_as_equal_as_possible_and_average_to_the_mean():
    model, x, y, loss = PROBLEMS["mlp"]()
    x, y = torch.cat([x, x[:5]]), torch.cat([y, y[:5]])
    oracle = reference.per_example_gradients(model, loss, x, y)
    _, record, _ = recorded(model.double(), x.double(), y, loss, mean_gradient=False)
    means = record.group_means(3, 11).means
    for parameter, rows in oracle.items():
        for mean, part in zip(means, (rows[:3], rows[3:7], rows[7:]), strict=True):
            torch.testing.assert_close(mean.tensors[parameter], part.mean(0))


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(1, 5),
    channels=st.integers(1, 3),
    outputs=st.integers(1, 3),
    size=st.tuples(st.integers(4, 7), st.integers(4, 7)),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 2)),
    padding=st.tuples(st.integers(0, 2), st.integers(0, 1)),
    bias=st.booleans(),
    chunk=st.sampled_from([1, 2**21]),
)
def test_convolutions_of_any_shape(n, channels, outputs, size, kernel, stride, padding, bias, chunk):
    with torch.random.fork_rng(devices=[]), pytest.MonkeyPatch.context() as patch:
        torch.default_generator.manual_seed(1)
        patch.setattr(convolution, "PATCH_BYTES", chunk)
        layer = nn.Conv2d(channels, outputs, kernel, stride=stride, padding=padding, bias=bias)
        model = nn.Sequential(nn.Tanh(), layer, nn.Tanh(), nn.Flatten(), nn.AdaptiveAvgPool1d(3)).double()
        x, y = torch.randn(n, channels, *size, dtype=torch.float64), torch.randint(3, (n,))
        oracle = reference.per_example_gradients(model, CE, x, y)
        _, record, _ = recorded(model, x, y, CE, mean_gradient=True)
        for tensor, norms in record.square_norms()["1"].items():
            expected = oracle[f"1.{tensor}"].flatten(1).square().sum(1)
            torch.testing.assert_close(norms, expected, rtol=1e-9, atol=1e-20)


def test_the_mean_gradient_is_bit_identical_with_and_without_recording():
    for build in PROBLEMS.values():
        model, x, y, loss = build()
        _, _, mean = recorded(model, x, y, loss, mean_gradient=True)
        plain = Engine(model).mean_gradient(loss(model(x), y))
        losses = loss(model(x), y)
        losses.mean().backward()
        for name, parameter in model.named_parameters():
            assert torch.equal(mean.tensors[name], plain.tensors[name])
            assert torch.equal(mean.tensors[name], parameter.grad)


def test_duplicating_the_batch_leaves_every_row_unscaled():
    model, x, y, loss = PROBLEMS["lenet"]()
    _, once, _ = recorded(model, x, y, loss, mean_gradient=True)
    _, twice, _ = recorded(model, torch.cat([x, x]), torch.cat([y, y]), loss, mean_gradient=True)
    for layer, norms in once.square_norms().items():
        for tensor, values in norms.items():
            torch.testing.assert_close(twice.square_norms()[layer][tensor], values.repeat(2), rtol=1e-5, atol=0)


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_check_of_the_first_batch_accepts_what_is_supported(name):
    model, x, y, loss = PROBLEMS[name]()
    before = copy.deepcopy(model.state_dict())
    check_model(Engine(model), model, x, lambda outputs: loss(outputs, y))
    assert all(torch.equal(before[key], tensor) for key, tensor in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_hooks_are_removed_even_after_an_error():
    model, x, _, _ = PROBLEMS["mlp"]()
    engine = Engine(model)
    with pytest.raises(KeyError), engine.recording():
        raise KeyError
    assert all(not layer.module._forward_hooks for layer in engine.layers)
    model(x)


def test_frozen_parameters_have_no_statistics():
    model, x, y, loss = PROBLEMS["mlp"]()
    model.fc2.weight.requires_grad_(False)
    engine, record, _ = recorded(model, x, y, loss, mean_gradient=True)
    assert set(record.square_norms()["fc2"]) == {"bias"}
    assert "fc2.weight" not in engine.parameters
