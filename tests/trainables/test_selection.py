"""Reductions over examples: every path against sorted lists, skipped zeros, infinities, NaN, threads, and laws."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests import reference
from trainables.aggregators import tail_count
from trainables.gradients import selection
from trainables.gradients.kernels import EXTREMES
from trainables.gradients.lanes import LANES
from trainables.gradients.types import DenseRows, FormedRows, OuterRows, Rows

TIED = st.sampled_from([0.0, 0.0, -0.0, 1.0, -1.0, 2.5, -3.0, 1e-30])
SMOOTH = st.floats(-8, 8, width=32)
INFINITE = st.sampled_from([0.0, 1.0, -2.0, math.inf, -math.inf])
BROKEN = st.sampled_from([0.0, 1.0, -2.0, math.inf, -math.inf, math.nan])


def oracle(values, k, *, trimmed):
    """Column by column, on lists; NaN where a value is."""
    reduce = reference.trimmed_mean if trimmed else reference.winsorized_mean
    columns = [[float(v) for v in column] for column in values.T]
    return [math.nan if any(map(math.isnan, column)) else reduce(column, k) for column in columns]


def kernel(values, k, *, trimmed):
    return selection.dense(values, k, trimmed=trimmed)


def by_torch(values, k, *, trimmed):
    return selection.by_torch(torch.from_numpy(values), k, trimmed=trimmed).numpy()


PATHS = {"numpy": selection.by_numpy, "kernel": kernel, "torch": by_torch}


@st.composite
def columns(draw, elements, dtype=np.float64, most=20):
    """Values [b, P] and k, up to the median."""
    b = draw(st.integers(1, most))
    values = draw(arrays(dtype, (b, draw(st.integers(1, 4))), elements=elements))
    return values, draw(st.integers(0, (b - 1) // 2))


@st.composite
def factors(draw, elements, most=20):
    """Factors [b, O] and [b, I], and k, up to the median."""
    b = draw(st.integers(1, most))
    left = draw(arrays(np.float64, (b, draw(st.integers(1, 4))), elements=elements))
    right = draw(arrays(np.float64, (b, draw(st.integers(1, 5))), elements=elements))
    return left, right, draw(st.integers(0, (b - 1) // 2))


@pytest.mark.parametrize("trimmed", [False, True])
@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=60, deadline=None)
@given(case=st.one_of(columns(TIED), columns(SMOOTH)))
def test_every_path_equals_sorted_lists(path, trimmed, case):
    values, k = case
    found = PATHS[path](values, k, trimmed=trimmed)
    np.testing.assert_allclose(found, oracle(values, k, trimmed=trimmed), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("trimmed", [False, True])
@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=60, deadline=None)
@given(case=st.one_of(columns(INFINITE), columns(BROKEN)))
def test_infinities_are_values_and_nan_stays(path, trimmed, case):
    values, k = case
    found = PATHS[path](values, k, trimmed=trimmed)
    np.testing.assert_allclose(found, oracle(values, k, trimmed=trimmed), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("trimmed", [False, True])
@settings(max_examples=80, deadline=None)
@given(case=st.one_of(factors(TIED), factors(SMOOTH), factors(BROKEN)))
def test_products_reduce_as_if_they_were_formed(trimmed, case):
    left, right, k = case
    with np.errstate(invalid="ignore"):
        formed = (left[:, :, None] * right[:, None]).reshape(len(left), -1)
        expected = np.reshape(oracle(formed, k, trimmed=trimmed), (left.shape[1], right.shape[1]))
        found = selection.outer(left, right, k, trimmed=trimmed)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("batch", [5, 17, 64, 66, 100])
@pytest.mark.parametrize("density", [0.2, 0.5, 1.0])
def test_products_of_many_tiles_in_single_precision(batch, density):
    rng = np.random.default_rng(batch)
    left = (rng.standard_normal((batch, 5)) * (rng.random((batch, 5)) < density)).astype("f4")
    right = (rng.standard_normal((batch, 2 * LANES + 3)) * (rng.random((batch, 1)) < 0.9)).astype("f4")
    formed = (left[:, :, None] * right[:, None]).reshape(batch, -1)
    for k in {0, 1, min(EXTREMES, (batch - 1) // 2), min(EXTREMES + 1, (batch - 1) // 2), (batch - 1) // 2}:
        for trimmed in (False, True):
            expected = selection.by_numpy(formed.astype("f8"), k, trimmed=trimmed).reshape(5, -1)
            found = selection.outer(left, right, k, trimmed=trimmed)
            assert found.dtype == np.float32
            np.testing.assert_allclose(found, expected, rtol=0, atol=4e-6)


def test_a_product_may_overflow():
    left, right = np.full((5, 1), 1e30, "f4"), np.array([[1e30], [-1e30], [1.0], [2.0], [3.0]], "f4")
    with np.errstate(over="ignore"):
        assert selection.outer(left, right, 1, trimmed=False)[0, 0] == pytest.approx(2e30, rel=1e-5)
        assert math.isnan(selection.outer(left, right, 0, trimmed=False)[0, 0])


def test_one_nan_of_an_example_is_seen_in_every_coordinate_that_it_reaches_and_in_no_other():
    left, right = torch.ones(9, 3), torch.ones(9, 4)
    right[2, 1] = math.nan
    for reduce in (
        lambda rows: selection.winsorized_mean(rows, 2),
        lambda rows: selection.trimmed_mean(rows, 2),
        selection.coordinate_median,
    ):
        for rows in (OuterRows(left, right), DenseRows(OuterRows(left, right).dense())):
            found = reduce(rows)
            assert found[:, 1].isnan().all()
            assert (found[:, [0, 2, 3]] == 1).all()


@pytest.mark.parametrize("swapped", [False, True])
def test_a_column_of_zeros_times_nan_is_nan(swapped):
    left, right = np.ones((9, 3)), np.zeros((9, 4))
    left[0, 1], right[:2, 2] = math.nan, 1.0
    found = (
        selection.outer(right, left, 3, trimmed=False).T if swapped else selection.outer(left, right, 3, trimmed=False)
    )
    assert np.isnan(found[1]).all()
    assert (found[[0, 2]] == 0).all()


REDUCTIONS = {
    "winsorized": lambda rows: selection.winsorized_mean(rows, 3),
    "trimmed": lambda rows: selection.trimmed_mean(rows, 3),
    "median": selection.coordinate_median,
    "winsorized beyond the extremes": lambda rows: selection.winsorized_mean(rows, EXTREMES + 2),
}


def relu_factors(b=33, outputs=20, inputs=300, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    left = torch.randn(b, outputs, generator=generator, dtype=dtype)
    return left, torch.randn(b, inputs, generator=generator, dtype=dtype).relu()


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("shape", [(20, 300), (2, 700)], ids=["rows are shared out", "tiles are shared out"])
def test_results_do_not_depend_on_the_number_of_threads(name, shape, threads, monkeypatch):
    monkeypatch.setattr(selection, "THREAD_VALUES", 1)
    left, right = relu_factors(outputs=shape[0], inputs=shape[1])
    for rows in (OuterRows(left, right), DenseRows(OuterRows(left, right).dense())):
        found = []
        for count in (1, 2, 3, 7):
            threads(count)
            found.append(REDUCTIONS[name](rows))
        assert all(torch.equal(found[0], each) for each in found[1:])


@pytest.mark.parametrize("name", REDUCTIONS)
def test_a_coordinate_does_not_depend_on_its_neighbours(name):
    left, right = relu_factors()
    rows = OuterRows(left, right).dense()
    whole = REDUCTIONS[name](DenseRows(rows))
    assert torch.equal(REDUCTIONS[name](DenseRows(rows[:, 3:8, 40:])), whole[3:8, 40:])


@pytest.mark.parametrize("name", REDUCTIONS)
def test_the_order_of_examples_is_irrelevant(name):
    left, right = relu_factors(dtype=torch.float64)
    order = torch.randperm(len(left), generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(
        REDUCTIONS[name](OuterRows(left[order], right[order])), REDUCTIONS[name](OuterRows(left, right))
    )


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("factor", [-1.0, 4.0])
def test_scaling_by_a_power_of_two_scales_every_bit(name, factor):
    left, right = relu_factors()
    found = REDUCTIONS[name](OuterRows(factor * left, right))
    expected = factor * REDUCTIONS[name](OuterRows(left, right))
    if factor > 0:
        assert torch.equal(found, expected)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("name", REDUCTIONS)
def test_rows_formed_in_pieces_are_the_rows(name):
    left, right = relu_factors()
    dense = OuterRows(left, right).dense()
    for step in (1, 7, 20):
        formed = FormedRows(len(left), (20, 300), step, lambda part: dense[:, part].contiguous())
        assert torch.equal(formed.dense(), dense)
        assert torch.equal(REDUCTIONS[name](formed), REDUCTIONS[name](DenseRows(dense)))
        assert torch.equal(selection.sum_of_signs(formed), selection.sum_of_signs(DenseRows(dense)))


@pytest.mark.parametrize("name", REDUCTIONS)
def test_factors_may_lie_in_memory_in_any_order(name):
    left, right = relu_factors()
    expected = REDUCTIONS[name](OuterRows(left, right))
    strided = OuterRows(left.t().contiguous().t(), right.repeat_interleave(2, dim=1)[:, ::2])
    assert torch.equal(REDUCTIONS[name](strided), expected)
    one = REDUCTIONS[name](OuterRows(left[:, :1].expand(-1, 20), right))
    assert torch.equal(one, one[:1].expand(20, -1))


def test_half_precision_takes_the_path_of_torch():
    rows = torch.randn(9, 40, generator=torch.Generator().manual_seed(0)).half()
    found = selection.winsorized_mean(DenseRows(rows), 2)
    assert found.dtype == torch.float16
    expected = selection.by_numpy(rows.double().numpy(), 2, trimmed=False)
    np.testing.assert_allclose(found.double().numpy(), expected, atol=2e-3)


@pytest.mark.parametrize(("size", "k"), [(8, 4), (9, 5), (8, -1), (1, 1), (0, 0)])
def test_tails_that_leave_nothing_are_refused(size, k):
    for reduce in (selection.winsorized_mean, selection.trimmed_mean):
        with pytest.raises(ValueError, match=f"given {k} values per tail of {size}"):
            reduce(DenseRows(torch.ones(size, 2)), k)


@settings(max_examples=60, deadline=None)
@given(columns(TIED))
def test_medians_and_votes_equal_lists(case):
    values, _ = case
    rows = DenseRows(torch.from_numpy(values))
    lists = [[float(v) for v in column] for column in values.T]
    assert selection.coordinate_median(rows).tolist() == [reference.middle(column) for column in lists]
    assert selection.sum_of_signs(rows).tolist() == [reference.sum_of_signs(column) for column in lists]


@settings(max_examples=40, deadline=None)
@given(factors(TIED))
def test_votes_of_products_are_products_of_votes(case):
    left, right, _ = case
    factored: Rows = OuterRows(torch.from_numpy(left), torch.from_numpy(right))
    signs = torch.from_numpy(np.sign(left)[:, :, None] * np.sign(right)[:, None]).sum(dim=0)
    assert torch.equal(selection.sum_of_signs(factored), signs)


def test_a_vote_survives_a_product_that_rounds_to_zero():
    tiny = torch.tensor([[1e-30]])
    assert selection.sum_of_signs(OuterRows(tiny, -tiny)).item() == -1


@pytest.mark.parametrize("batch", [2, 9, 10, 40])
def test_the_median_is_winsorizing_at_level_fifty(batch):
    rows = DenseRows(torch.randn(batch, 40, dtype=torch.float64))
    expected = selection.winsorized_mean(rows, tail_count(50, batch))
    torch.testing.assert_close(selection.coordinate_median(rows), expected)


def test_winsorizing_nothing_is_the_mean():
    rows = torch.randn(8, 30, dtype=torch.float64)
    torch.testing.assert_close(selection.winsorized_mean(DenseRows(rows), 0), rows.mean(0))
    torch.testing.assert_close(selection.trimmed_mean(DenseRows(rows), 0), rows.mean(0))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("name", REDUCTIONS)
def test_the_path_on_a_gpu_equals_that_of_the_host(name, monkeypatch):
    left, right = relu_factors()
    expected = REDUCTIONS[name](OuterRows(left, right))
    for piece in (2**30, 2**12):
        monkeypatch.setattr(selection, "SORT_BYTES", piece)
        for rows in (OuterRows(left.cuda(), right.cuda()), DenseRows(OuterRows(left.cuda(), right.cuda()).dense())):
            torch.testing.assert_close(REDUCTIONS[name](rows).cpu(), expected)
