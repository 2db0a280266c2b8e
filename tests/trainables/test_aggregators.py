"""Aggregators: one contract suite over the registry, oracles, and the laws each must keep."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests import reference
from trainables.aggregators import AGGREGATORS, smallest_level, tail_count
from trainables.contracts.aggregators import AggregatorContract
from trainables.contracts.aggregators import fed as fed_to
from trainables.contracts.base import Subject
from trainables.gradients import selection
from trainables.gradients.types import DenseRows, Direction, GroupMeans, OuterRows
from trainables.registry import load

PARAMETERS = {"winsorized": {"level": 20.0}, "trimmed-mean": {"level": 20.0}, "norm-clipped": {"clip": 5.0}}
OF_FIXED_SIZE = ("sign-of-sum", "sum-of-signs")
"""Rules whose direction does not tell how long the rows are."""
NOT_HOMOGENEOUS = (*OF_FIXED_SIZE, "norm-clipped")
"""Rules that do not claim: rows times c give the direction times c."""
BATCH = 12
FINITE = st.floats(-8, 8, width=32).map(lambda v: float(np.float32(round(v, 2))))


def built(name, batch=BATCH):
    choice = AGGREGATORS[name].params(name=name, **PARAMETERS.get(name, {}))
    level = getattr(choice, "level", None)
    return load(AGGREGATORS[name])(choice, None if level is None else tail_count(level, batch))


def subject(name):
    return Subject(AGGREGATORS[name], AGGREGATORS[name].params(name=name, **PARAMETERS.get(name, {})))


def fed(name, rows):
    """Direction of an aggregator fed the same batch of rows [N, D] until it no longer idles."""
    return fed_to(subject(name), rows)


class TestAggregators(AggregatorContract):
    """Trials of all, in parts as in full, are in test_trial."""

    subjects = {name: subject(name) for name in AGGREGATORS.builtin if name not in NOT_HOMOGENEOUS}
    test_a_trial_runs_and_resumes = None


class TestAggregatorsOfFixedSize(AggregatorContract):
    """Their direction does not tell how long the rows are."""

    subjects = {name: subject(name) for name in OF_FIXED_SIZE}
    keeps_identical_rows = homogeneous = False
    test_a_trial_runs_and_resumes = None


class TestClipping(AggregatorContract):
    """Rows of the batch stay below the threshold or not."""

    subjects = {"norm-clipped": subject("norm-clipped")}
    homogeneous = False
    test_a_trial_runs_and_resumes = None


@pytest.mark.parametrize(("name", "size"), [("sign-of-sum", 0.001), ("sum-of-signs", 0.001 * BATCH)])
def test_identical_rows_give_their_signs_at_a_fixed_size(name, size):
    row = torch.tensor([1.0, -2.0, 0.0, 3.5])
    expected = size * torch.tensor([1.0, -1.0, 0.0, 1.0])
    for factor in (1.0, 1e-3, 1e3):
        torch.testing.assert_close(fed(name, factor * row.repeat(BATCH, 1)), expected)


@pytest.mark.parametrize("name", ["winsorized", "trimmed-mean", "coordinate-median", "norm-clipped", "median-of-3"])
def test_one_outlier_is_resisted(name):
    rows = torch.randn(BATCH, 5)
    rows[0] = 1e6
    assert fed(name, rows).abs().max() < 10
    assert fed("mean", rows).abs().max() > 1e4


def matrices(least):
    shapes = st.tuples(st.integers(least, 9), st.integers(1, 6))
    return shapes.flatmap(lambda s: arrays(np.float32, s, elements=FINITE))


PATHS = {
    "numpy": selection.dense_numpy,
    "numba": selection.dense_numba,
    "torch": lambda v, k: selection.dense_torch(torch.from_numpy(v), k).numpy(),
}


@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=40, deadline=None)
@given(values=matrices(5), k=st.integers(0, 2))
def test_every_path_equals_sorted_lists(path, values, k):
    expected = [reference.winsorized_mean([float(v) for v in column], k) for column in values.T]
    if path == "numba" and k not in selection.COMPILED:
        return
    np.testing.assert_allclose(PATHS[path](values, k), expected, rtol=2e-6, atol=2e-6)


def median(values, _):
    return selection.coordinate_median(DenseRows(torch.from_numpy(values)))


def signs(values, _):
    return selection.sum_of_signs(DenseRows(torch.from_numpy(values)))


REDUCTIONS = {
    "trimmed, numpy": (selection.trimmed_numpy, reference.trimmed_mean),
    "trimmed, torch": (lambda v, k: selection.trimmed_torch(torch.from_numpy(v), k), reference.trimmed_mean),
    "median": (median, lambda v, _: reference.middle(v)),
    "signs": (signs, lambda v, _: reference.sum_of_signs(v)),
}


@pytest.mark.parametrize("reduction", REDUCTIONS)
@settings(max_examples=40, deadline=None)
@given(values=matrices(5), k=st.integers(0, 2))
def test_reductions_equal_lists(reduction, values, k):
    reduce, oracle = REDUCTIONS[reduction]
    values = values.astype(np.float64)
    expected = [oracle([float(v) for v in column], k) for column in values.T]
    np.testing.assert_allclose(reduce(values, k), expected, rtol=1e-14, atol=1e-14)


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(st.integers(2, 9), st.integers(1, 4), st.integers(1, 5)).flatmap(
        lambda s: st.tuples(
            arrays(np.float64, (s[0], s[1]), elements=st.sampled_from([0.0, 0.0, 1.5, -2.0])),
            arrays(np.float64, (s[0], s[2]), elements=st.sampled_from([0.0, 0.0, 3.0, -1.0])),
        )
    )
)
def test_factored_rows_reduce_as_dense_rows(factors):
    factored = OuterRows(*(torch.from_numpy(factor) for factor in factors))
    dense = DenseRows(factored.dense())
    for k in range((len(factors[0]) - 1) // 2 + 1):
        torch.testing.assert_close(selection.trimmed_mean(factored, k), selection.trimmed_mean(dense, k))
    torch.testing.assert_close(selection.coordinate_median(factored), selection.coordinate_median(dense))
    assert torch.equal(selection.sum_of_signs(factored), selection.sum_of_signs(dense))


@pytest.mark.parametrize("batch", [2, 9, 10])
def test_the_median_is_winsorizing_at_level_fifty(batch):
    rows = DenseRows(torch.randn(batch, 40, dtype=torch.float64))
    expected = selection.winsorized_mean(rows, tail_count(50, batch))
    torch.testing.assert_close(selection.coordinate_median(rows), expected)


def test_a_vote_survives_a_product_that_rounds_to_zero():
    tiny = torch.tensor([[1e-30]])
    assert selection.sum_of_signs(OuterRows(tiny, -tiny)).item() == -1


def test_clipping_shortens_long_rows_and_leaves_short_ones_and_zeros():
    rows = torch.randn(BATCH, 30, dtype=torch.float64) * torch.linspace(0, 3, BATCH, dtype=torch.float64)[:, None]
    assert 0 < int((rows.norm(dim=1) > 5).sum()) < BATCH
    torch.testing.assert_close(fed("norm-clipped", rows), reference.clipped_mean(rows, 5.0))


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(st.integers(5, 9), st.integers(1, 4), st.integers(1, 5)).flatmap(
        lambda s: st.tuples(
            arrays(np.float64, (s[0], s[1]), elements=st.sampled_from([0.0, 0.0, 1.5, -2.0])),
            arrays(np.float64, (s[0], s[2]), elements=st.sampled_from([0.0, 0.0, 0.0, 3.0, -1.0])),
        )
    ),
    st.integers(0, 2),
)
def test_skipping_zero_columns_changes_nothing(factors, k):
    left, right = factors
    dense = OuterRows(torch.from_numpy(left), torch.from_numpy(right)).dense().reshape(len(left), -1).numpy()
    expected = selection.dense_numpy(dense, k).reshape(left.shape[1], right.shape[1])
    if k in selection.COMPILED:
        np.testing.assert_allclose(selection.outer_numba(left, right, k), expected, atol=1e-14)
    np.testing.assert_allclose(selection.outer_numpy(left, right, k), expected, atol=1e-14)


@pytest.mark.parametrize("batch", [5, 32, 33, 35])
def test_the_paths_agree_on_more_columns_than_the_kernel_takes_at_once(batch):
    rng = np.random.default_rng(0)
    left = rng.standard_normal((batch, 7)).astype("f4")
    right = np.maximum(rng.standard_normal((batch, 700)), 0).astype("f4")
    dense = left[:, :, None] * right[:, None]
    for k in (0, 1, 2):
        expected = selection.dense_numpy(dense.reshape(batch, -1), k).reshape(7, 700)
        for rows in (OuterRows(torch.from_numpy(left), torch.from_numpy(right)), DenseRows(torch.from_numpy(dense))):
            np.testing.assert_allclose(selection.winsorized_mean(rows, k).numpy(), expected, rtol=0, atol=1e-6)


def test_winsorizing_nothing_is_the_mean():
    rows = torch.randn(8, 30, dtype=torch.float64)
    torch.testing.assert_close(selection.winsorized_mean(DenseRows(rows), 0), rows.mean(0))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_the_path_on_a_gpu_equals_numpy():
    rows = torch.randn(32, 500)
    for k in (1, 4):
        found = selection.winsorized_mean(DenseRows(rows.cuda()), k).cpu().numpy()
        np.testing.assert_allclose(found, selection.dense_numpy(rows.numpy(), k), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "combine"), [("rolling-median-of-3", reference.median), ("rolling-mean-of-3", lambda v: sum(v) / 3)]
)
def test_rolling_rules_idle_twice_and_then_follow_the_last_three(name, combine):
    aggregator, history = built(name), []
    state = aggregator.init()
    for step in range(6):
        gradient = torch.randn(4, generator=torch.Generator().manual_seed(step), dtype=torch.float64)
        history.append(gradient)
        direction, state = aggregator.update(Direction({"w": gradient}), state)
        if step < 2:
            assert direction is None
        else:
            last = torch.stack(history[-3:]).t().tolist()
            torch.testing.assert_close(direction.tensors["w"].tolist(), [combine(v) for v in last])


def test_median_of_3_is_the_median_of_each_coordinate():
    groups = [torch.randn(50, dtype=torch.float64) for _ in range(3)]
    direction, _ = built("median-of-3").update(GroupMeans(tuple(Direction({"w": g}) for g in groups)), {})
    expected = [reference.median(list(column)) for column in zip(*(g.tolist() for g in groups), strict=True)]
    assert direction.tensors["w"].tolist() == expected


@pytest.mark.parametrize(
    ("level", "batch", "k"), [(3, 32, 1), (6, 32, 2), (13, 32, 4), (1, 100, 1), (8, 100, 8), (1, 32, 0), (50, 9, 4)]
)
def test_a_level_is_a_percentage_per_tail(level, batch, k):
    assert tail_count(level, batch) == k


@given(st.integers(3, 5000))
def test_the_smallest_level_is_the_smallest(batch):
    level = smallest_level(batch)
    assert tail_count(level, batch) == 1
    assert tail_count(round(level - 0.01, 2), batch) == 0
