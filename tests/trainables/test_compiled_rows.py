"""Every kernel that forms and adds rows, against sums written out in float64, whatever the shape and the threads."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from trainables.gradients import choice, compiled, convolution, linear, tiling
from trainables.gradients.choice import ConvolutionShape, LinearShape, choose, work
from trainables.gradients.convolution import Geometry
from trainables.gradients.costs import COSTS
from trainables.gradients.support import RULES

TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-11}
DTYPES = [torch.float32, torch.float64]
KERNELS = ["patches", "tiles"]


def normal(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(len(shape)), dtype=torch.float64)


def agree(found, rows, dtype):
    """Squared norms and sum of rows [N, ...]."""
    norms, total = found
    assert norms.dtype == torch.float64
    squares = rows.flatten(1).square().sum(1)
    rel = TOLERANCE[dtype]
    torch.testing.assert_close(norms, squares, rtol=rel, atol=rel * float(squares.max()))
    largest = float(rows.abs().max())
    torch.testing.assert_close(total.double(), rows.sum(0), rtol=rel, atol=rel * largest * len(rows))


@settings(max_examples=40)
@given(
    kernel=st.sampled_from(KERNELS),
    dtype=st.sampled_from(DTYPES),
    n=st.integers(1, 4),
    channels=st.integers(1, 5),
    outputs=st.sampled_from([1, 2, 5, 8, 9, 16, 17, 33]),
    size=st.tuples(st.integers(4, 9), st.integers(4, 9)),
    taps=st.sampled_from([(1, 1), (1, 3), (2, 2), (3, 1), (3, 3)]),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    dilation=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    margin=st.tuples(*[st.integers(0, 2)] * 4),
    mode=st.sampled_from(["zeros", "reflect"]),
    chunk=st.sampled_from([1, 2**21]),
)
def test_convolutions(kernel, dtype, n, channels, outputs, size, taps, stride, dilation, margin, mode, chunk):
    geometry = Geometry(taps, stride, dilation, margin, mode, 1)
    x = normal(n, channels, *size)
    wide = convolution.padded(geometry, x)
    extent = [(w - (k - 1) * e - 1) // s + 1 for w, k, e, s in zip(wide.shape[2:], taps, dilation, stride, strict=True)]
    if min(extent) < 1:
        return
    d = normal(n, outputs, *extent)
    rows = torch.zeros(n, outputs, channels, *taps, dtype=torch.float64)
    for a, b in itertools.product(range(taps[0]), range(taps[1])):
        lines = range(a * dilation[0], a * dilation[0] + extent[0] * stride[0], stride[0])
        places = range(b * dilation[1], b * dilation[1] + extent[1] * stride[1], stride[1])
        seen = wide[:, :, list(lines)][:, :, :, list(places)]
        rows[..., a, b] = torch.einsum("nohw,nchw->noc", d, seen)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convolution, "choose", lambda *_: kernel)
        patch.setattr(convolution, "PATCH_BYTES", chunk)
        agree(convolution.accumulated(geometry, x.to(dtype), d.to(dtype)), rows, dtype)
        if kernel == "tiles":
            found = convolution.formed(geometry, x.to(dtype), d.to(dtype)).double()
            torch.testing.assert_close(
                found, rows.flatten(2), rtol=1e-4, atol=TOLERANCE[dtype] * float(rows.abs().max())
            )


@settings(max_examples=30)
@given(
    kernel=st.sampled_from(["bmm", "tiles"]),
    dtype=st.sampled_from(DTYPES),
    n=st.integers(1, 4),
    positions=st.lists(st.integers(1, 6), min_size=1, max_size=2),
    inputs=st.sampled_from([1, 3, 12, 25, 40]),
    outputs=st.sampled_from([1, 8, 10, 32]),
    bias=st.booleans(),
    norms=st.booleans(),
)
def test_linear_with_positions(kernel, dtype, n, positions, inputs, outputs, bias, norms):
    x, d = normal(n, *positions, inputs), normal(n, *positions, outputs)
    rows = torch.einsum("nto,nti->noi", d.flatten(1, -2), x.flatten(1, -2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(linear, "choose", lambda *_: kernel)
        layer = nn.Linear(inputs, outputs, bias=bias).to(dtype)
        found = linear.gradient(layer, x.to(dtype), d.to(dtype), norms=norms)
        formed = linear.rows(layer, "weight", x.to(dtype), d.to(dtype)).dense().double()
    torch.testing.assert_close(formed, rows, rtol=1e-4, atol=TOLERANCE[dtype] * float(rows.abs().max()))
    agree((found.square_norms["weight"], found.sums["weight"]), rows, dtype)
    assert set(found.sums) == {name for name, _ in layer.named_parameters()}
    if bias:
        rows = d.flatten(1, -2).sum(1)
        torch.testing.assert_close(found.sums["bias"].double(), rows.sum(0), rtol=1e-4, atol=1e-4)
        if norms:
            agree((found.square_norms["bias"], found.sums["bias"]), rows, dtype)


NORMALISATIONS = {
    "groups": (lambda: nn.GroupNorm(2, 4), (3, 4, 2, 3)),
    "groups without positions": (lambda: nn.GroupNorm(2, 4), (3, 4)),
    "layer": (lambda: nn.LayerNorm(4), (3, 5, 4)),
    "layer without positions": (lambda: nn.LayerNorm(4), (3, 4)),
    "layer of two axes": (lambda: nn.LayerNorm((5, 4), bias=False), (3, 2, 5, 4)),
    "root mean square": (lambda: nn.RMSNorm(4), (3, 5, 4)),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shift", [0.0, 100.0])
@pytest.mark.parametrize("name", NORMALISATIONS)
def test_normalisations(name, shift, dtype):
    build, shape = NORMALISATIONS[name]
    layer, x, d = build().to(dtype), normal(*shape) + shift, normal(*shape).flip(0)
    rule = RULES[type(layer)]
    found = rule.gradient(layer, x.to(dtype), d.to(dtype), norms=True)
    twin = build().double()
    rows = {
        key: torch.stack([torch.autograd.grad((twin(x[i : i + 1]) * d[i : i + 1]).sum(), p)[0] for i in range(3)])
        for key, p in twin.named_parameters()
    }
    rel = TOLERANCE[dtype] * (1 + shift)
    for key, expected in rows.items():
        squares = expected.flatten(1).square().sum(1)
        torch.testing.assert_close(found.square_norms[key], squares, rtol=rel, atol=rel)
        torch.testing.assert_close(found.sums[key].double(), expected.sum(0), rtol=rel, atol=rel)


@pytest.mark.parametrize("kernel", KERNELS)
def test_an_example_that_is_not_finite_spoils_no_other(kernel, monkeypatch):
    monkeypatch.setattr(convolution, "choose", lambda *_: kernel)
    x, d = torch.randn(3, 2, 5, 5), torch.randn(3, 4, 5, 5)
    d[1, 0, 0, 0] = torch.inf
    geometry = Geometry((3, 3), (1, 1), (1, 1), (1, 1, 1, 1), "zeros", 1)
    norms, total = convolution.accumulated(geometry, x, d)
    assert torch.isfinite(norms).tolist() == [True, False, True]
    assert not torch.isfinite(total).all()


@pytest.mark.parametrize("size", [1, 7, 16, 50])
def test_threads_share_the_examples_and_change_sums_by_rounding_alone(size, monkeypatch):
    x, d = normal(size, 3, 6, 6), normal(size, 4, 6, 6)
    geometry = Geometry((3, 3), (1, 1), (1, 1), (1, 1, 1, 1), "zeros", 1)
    found = []
    for threads in (1, 3):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        pieces = compiled.parts(size)
        assert [i for part in pieces for i in range(part.start, part.stop)] == list(range(size))
        assert len(pieces) <= threads
        found.append(convolution.accumulated(geometry, x, d))
    assert torch.equal(found[0][0], found[1][0])
    torch.testing.assert_close(found[0][1], found[1][1], rtol=1e-12, atol=1e-12)


SHAPES = [ConvolutionShape(16, 16, 9, 34 * 34, 1024), ConvolutionShape(128, 128, 9, 36, 16), LinearShape(64, 128, 128)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_choice_is_the_cheapest_of_the_table_and_nothing_else(shape, monkeypatch):
    for dtype in DTYPES:
        table = COSTS["cpu", str(dtype).removeprefix("torch.")]
        costs = {name: choice.cost(units, table[name]) for name, units in work(shape).items()}
        assert costs[choose(shape, "cpu", dtype)] == min(costs.values())
    for name in work(shape):
        choose.cache_clear()
        monkeypatch.setattr(choice, "COSTS", {("cpu", "float32"): {name: (1e-9,)}})
        assert choose(shape, "cpu", torch.float32) == name
    choose.cache_clear()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("device", "dtype"), [("cuda", torch.float32), ("cpu", torch.bfloat16)])
def test_what_the_table_lacks_takes_torch_alone(shape, device, dtype):
    assert choose(shape, device, dtype) in ("patches", "bmm")


def test_the_table_has_a_price_for_every_unit_of_work():
    for table in COSTS.values():
        for shape in SHAPES:
            for name, units in work(shape).items():
                assert len(table[name]) == len(units)
                assert min(table[name]) >= 0


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("outputs", [6, 16, 40])
def test_a_processor_with_other_registers_gives_the_same_sums(outputs, dtype, monkeypatch):
    x, d = normal(9, 3, 8, 7).to(dtype), normal(9, outputs, 8, 7).to(dtype)
    tokens, deltas = normal(9, 4, 30).to(dtype), normal(9, 4, outputs).to(dtype)
    geometry = Geometry((3, 3), (1, 1), (1, 1), (1, 1, 1, 1), "zeros", 1)
    found = []
    for have in (tiling.WIDE, tiling.NARROW):
        monkeypatch.setattr(tiling, "registers", lambda have=have: have)
        convolution._tiles.cache_clear()
        linear._tiles.cache_clear()
        found.append((*convolution.accumulated(geometry, x, d), *linear._accumulated(tokens, deltas)))
    for one, other in zip(*found, strict=True):
        if one.dim() == 1:
            torch.testing.assert_close(one, other, rtol=TOLERANCE[dtype], atol=0.0)
        else:
            assert torch.equal(one, other)


@given(
    outputs=st.integers(1, 70),
    runs=st.lists(st.integers(0, 99), min_size=1, max_size=30, unique=True),
    length=st.integers(1, 60),
    number=st.sampled_from([np.float32, np.float64]),
    have=st.sampled_from([tiling.WIDE, tiling.NARROW]),
)
def test_a_tiling_has_every_tap_once_and_fits_the_registers(outputs, runs, length, number, have):
    runs = [1000 * run for run in runs]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiling, "registers", lambda: have)
        found = tiling.tiling_of(outputs, runs, length, np.dtype(number))
    taps = (found.heads[:, None] + np.arange(found.taps)).reshape(-1)[found.keep > 0]
    assert taps.tolist() == [run + k for run in runs for k in range(length)]
    assert len(found.heads) % found.lines == 0
    assert found.shape[0] * found.width >= outputs
    vector = -(-found.width * np.dtype(number).itemsize // have.bytes)
    assert found.lines * found.taps * vector <= have.sums
