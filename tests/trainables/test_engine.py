"""The engine against a loop over examples, and its exactness."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tests import reference
from tests.trainables.coverage import CASES
from tests.trainables.problems import CE, RULED
from tests.trainables.recording import masked, oracle_of, recorded
from trainables.gradients import convolution, linear, owners, parts
from trainables.gradients.engine import Engine
from trainables.gradients.support import RULES

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")

PER_TENSOR = {torch.float32: 1e-4, torch.float64: 1e-10}
TOTAL = {torch.float32: 1e-5, torch.float64: 1e-10}
DTYPES = [torch.float32, torch.float64]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mean_gradient", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_statistics_equal_a_loop_over_examples(name, mean_gradient, dtype):
    case = CASES[name]
    oracle = oracle_of(case)
    engine, record, mean = recorded(case, dtype, mean_gradient=mean_gradient)
    size = len(next(iter(oracle.values())))
    norms = record.square_norms()
    floor = 0.0 if dtype == torch.float64 else 1e-12
    for layer in engine.layers:
        for tensor in layer.tensors:
            expected = oracle[layer.parameter(tensor)].flatten(1).square().sum(dim=1)
            torch.testing.assert_close(norms[layer.name][tensor], expected, rtol=PER_TENSOR[dtype], atol=floor)
    assert list(engine.parameters) == list(oracle)
    total = sum(each for layer in norms.values() for each in layer.values())
    whole = reference.flat(oracle)
    torch.testing.assert_close(total, whole.square().sum(dim=1), rtol=TOTAL[dtype], atol=0)
    torch.testing.assert_close(record.norms(), whole.norm(dim=1), rtol=TOTAL[dtype], atol=0)
    direction = record.group_sums([slice(None)])[0]
    for parameter, rows in oracle.items():
        torch.testing.assert_close(direction.tensors[parameter].double(), rows.sum(0), rtol=1e-4, atol=1e-5)
        if mean is not None:
            torch.testing.assert_close(mean.tensors[parameter].double(), rows.mean(0), rtol=1e-4, atol=1e-6)
    if mean is not None:
        found = engine.statistics(norms, mean, size)["*"]
        assert found.n == size
        assert found.q == pytest.approx(float(whole.square().sum()), rel=TOTAL[dtype])
        assert found.s2 == pytest.approx(float(whole.sum(0).square().sum()), rel=TOTAL[dtype])
        assert found.q4 == pytest.approx(float(whole.square().sum(1).square().sum()), rel=TOTAL[dtype])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mean_gradient", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_square_sums_dots_and_gram_matrices_equal_a_loop_over_examples(name, mean_gradient, dtype):
    case = CASES[name]
    oracle = oracle_of(case)
    engine, record, _ = recorded(case, dtype, mean_gradient=mean_gradient)
    rel = {torch.float32: 1e-4, torch.float64: 1e-10}[dtype]
    squares = record.square_sums()
    assert list(squares) == list(oracle)
    for parameter, rows in oracle.items():
        expected = rows.square().sum(0)
        assert squares[parameter].dtype == torch.float64
        torch.testing.assert_close(squares[parameter], expected, rtol=rel, atol=rel * float(expected.max()))
    generator = torch.Generator().manual_seed(1)
    direction = {key: torch.randn(rows.shape[1:], generator=generator).to(dtype) for key, rows in oracle.items()}
    dots, gram = record.dots(direction), record.gram()
    assert list(dots) == list(gram) == [layer.name for layer in engine.layers]
    for layer in engine.layers:
        names = [layer.parameter(tensor) for tensor in layer.tensors]
        flat = torch.cat([oracle[key].flatten(1) for key in names], dim=1)
        v = torch.cat([direction[key].flatten() for key in names]).double()
        scale = float(flat.norm(dim=1).max())
        torch.testing.assert_close(dots[layer.name], flat @ v, rtol=rel, atol=rel * scale * float(v.norm()))
        torch.testing.assert_close(gram[layer.name], flat @ flat.t(), rtol=rel, atol=rel * scale**2)


@pytest.mark.parametrize("name", CASES)
def test_squares_dots_and_gram_matrices_obey_their_laws(name):
    engine, record, _ = recorded(CASES[name], torch.float64, mean_gradient=True)
    total, gram, norms = record.row_sums().tensors, record.gram(), record.square_norms()
    dots, squares = record.dots(total), record.square_sums()
    for layer in engine.layers:
        own = sum(norms[layer.name].values())
        noise = 1e-10 * float(own.sum())
        torch.testing.assert_close(gram[layer.name].diagonal(), own, rtol=1e-10, atol=0)
        torch.testing.assert_close(gram[layer.name].sum(1), dots[layer.name], rtol=1e-10, atol=noise)
        q = sum(float(squares[layer.parameter(tensor)].sum()) for tensor in layer.tensors)
        assert q == pytest.approx(float(own.sum()), rel=1e-10)


def test_every_supported_layer_is_in_a_problem():
    built = {type(module) for case in RULED.values() for module in case.build()[0].modules()}
    assert built >= set(RULES)


@pytest.mark.parametrize(
    "name",
    [
        "sequence",
        "used several times",
        "padded circular",
        "one axis reflect",
        "tokens twice",
        "layer scale",
        "tied weights",
    ],
)
def test_blocks_of_one_example_change_no_statistic(name, monkeypatch):
    case = CASES[name]
    _, whole, _ = recorded(case, torch.float64, mean_gradient=True)
    ways = [
        lambda record: record.norms(),
        lambda record: reference.flat({k: v[None] for k, v in record.square_sums().items()}),
        lambda record: torch.stack(list(record.gram().values())),
        lambda record: torch.stack(list(record.dots(whole.row_sums().tensors).values())),
        lambda record: reference.flat({k: v.dense() for k, v in record.rows()}),
    ]
    expected = [way(whole) for way in ways]
    for module, constant in (
        (convolution, "PATCH_BYTES"),
        (linear, "ROW_BYTES"),
        (parts, "ROW_BYTES"),
        (parts, "GRAM_BYTES"),
        (owners, "ROW_BYTES"),
    ):
        monkeypatch.setattr(module, constant, 1)
    _, small, _ = recorded(case, torch.float64, mean_gradient=True)
    for way, one in zip(ways, expected, strict=True):
        torch.testing.assert_close(way(small), one, rtol=1e-11, atol=1e-15)


@pytest.mark.parametrize("name", ["used several times", "attention of linear layers", "bilinear"])
def test_products_of_all_pairs_hold_two_blocks_of_rows_within_their_budget(name, monkeypatch):
    _, record, _ = recorded(CASES[name], torch.float32, mean_gradient=False)
    for part in record._parts:
        row = sum(parameter.numel() for parameter in part.parameters.values())
        monkeypatch.setattr(parts, "GRAM_BYTES", 2 * 2 * row * (4 + 8))
        sizes, block = [], part.block

        def spied(piece, block=block, sizes=sizes):
            rows = block(piece)
            sizes.append(sum(each.numel() for each in rows.values()))
            return rows

        monkeypatch.setattr(part, "block", spied)
        part.gram()
        outer = not sizes
        assert outer or (max(sizes) == 2 * row and len(sizes) > 1)


@pytest.mark.parametrize("mean_gradient", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_rows_groups_and_weighted_sums_equal_a_loop_over_examples(name, mean_gradient):
    oracle = oracle_of(CASES[name])
    size = len(next(iter(oracle.values())))
    _, record, _ = recorded(CASES[name], torch.float64, mean_gradient=mean_gradient)
    found = {parameter: rows.dense() for parameter, rows in record.rows()}
    assert list(found) == list(oracle)
    weights = torch.linspace(-1, 2, size, dtype=torch.float64)
    weighted = record.weighted_sum(weights).tensors
    row_sums = record.row_sums().tensors
    for parameter, rows in oracle.items():
        torch.testing.assert_close(found[parameter], rows, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(row_sums[parameter], rows.sum(0), rtol=1e-10, atol=1e-12)
        expected = torch.einsum("i,i...->...", weights, rows)
        torch.testing.assert_close(weighted[parameter], expected, rtol=1e-10, atol=1e-12)
    groups = [slice(0, 1), torch.arange(1, size), slice(0, 0)]
    for group, direction in zip(groups, record.group_sums(groups), strict=True):
        part = record.weighted_sum(weights, group).tensors
        for parameter, total in direction.tensors.items():
            rows = oracle[parameter][group]
            torch.testing.assert_close(total, rows.sum(0), rtol=1e-10, atol=1e-12)
            expected = torch.einsum("i,i...->...", weights[group], rows)
            torch.testing.assert_close(part[parameter], expected, rtol=1e-10, atol=1e-12)


def test_thirds_are_as_equal_as_possible_and_average_to_the_mean():
    model, x, y, loss = RULED["mlp"].build()
    x, y = torch.cat([x, x[:5]]).double(), torch.cat([y, y[:5]])
    oracle = reference.per_example_gradients(model, loss, x, y)
    with Engine(model.double()).recording() as record:
        losses = loss(model(x), y)
    record.differentiate(losses, mean_gradient=False)
    memory: dict = {}
    for _ in range(2):
        seen = set()
        for parameter, means in record.group_means(3, 11, memory).tensors():
            rows = oracle[parameter]
            seen.add(parameter)
            for mean, part in zip(means, (rows[:3], rows[3:7], rows[7:]), strict=True):
                torch.testing.assert_close(mean, part.mean(0))
        assert seen == set(oracle)


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
        with Engine(model).recording() as record:
            losses = CE(model(x), y)
        record.differentiate(losses, mean_gradient=True)
        for tensor, norms in record.square_norms()["1"].items():
            expected = oracle[f"1.{tensor}"].flatten(1).square().sum(1)
            torch.testing.assert_close(norms, expected, rtol=1e-9, atol=1e-20)


@pytest.mark.parametrize("name", CASES)
def test_the_mean_gradient_is_bit_identical_with_and_without_recording(name):
    case = CASES[name]
    engine, _, mean = recorded(case, torch.float32, mean_gradient=True)
    _, x, y, loss = case.build()
    plain = engine.mean_gradient(loss(masked(case, engine.model, x), y))
    loss(masked(case, engine.model, x), y).mean().backward()
    for key, parameter in engine.parameters.items():
        assert torch.equal(mean.tensors[key], plain.tensors[key])
        assert torch.equal(mean.tensors[key], parameter.grad)


@pytest.mark.parametrize("name", ["lenet", "layer scale"])
def test_duplicating_the_batch_leaves_every_row_unscaled(name):
    model, x, y, loss = CASES[name].build()
    engine, found = Engine(model), []
    engine.plan(x)
    for times in (1, 2):
        with engine.recording() as record:
            losses = loss(model(torch.cat([x] * times)), torch.cat([y] * times))
        record.differentiate(losses, mean_gradient=True)
        found.append(record.norms())
    torch.testing.assert_close(found[1], found[0].repeat(2), rtol=1e-5, atol=0)


def test_frozen_parameters_have_no_statistics():
    engine, record, _ = recorded(CASES["frozen"], torch.float32, mean_gradient=True)
    assert {layer: set(norms) for layer, norms in record.square_norms().items()} == {
        "3": {"bias"},
        "5": {"weight", "bias"},
    }
    assert set(engine.parameters) == {"3.bias", "5.weight", "5.bias"}
