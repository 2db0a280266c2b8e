"""Aggregators: one contract suite over the registry, oracles, and the laws each must keep."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests import reference
from trainables.aggregators import AGGREGATORS, smallest_level, tail_count
from trainables.gradients.types import DenseRows, Direction, Examples, GroupMeans
from trainables.registry import load

PARAMETERS = {"winsorized": {"level": 20.0}, "trimmed-mean": {"level": 20.0}, "norm-clipped": {"clip": 5.0}}
OF_FIXED_SIZE = ("sign-of-sum", "sum-of-signs")
"""Rules whose direction does not tell how long the rows are."""
NOT_HOMOGENEOUS = (*OF_FIXED_SIZE, "norm-clipped")
"""Rules that do not claim: rows times c give the direction times c."""
BATCH = 12


def built(name, batch=BATCH):
    choice = AGGREGATORS[name].params(name=name, **PARAMETERS.get(name, {}))
    level = getattr(choice, "level", None)
    return load(AGGREGATORS[name])(choice, None if level is None else tail_count(level, batch))


class Matrix(Examples):
    """The examples that are the rows of a matrix [N, D]."""

    def __init__(self, rows):
        self._rows = rows

    def norms(self):
        return self._rows.double().norm(dim=1)

    def weighted_sum(self, weights):
        return Direction({"w": weights.to(self._rows) @ self._rows})


def fed(name, rows, times=3):
    """Direction of an aggregator fed the same batch of rows [N, D] until it no longer idles."""
    aggregator, direction = built(name, len(rows)), None
    state = aggregator.init()
    for _ in range(times):
        kind = AGGREGATORS[name].facts
        if kind == "rows":
            given = iter([("w", DenseRows(rows))])
        elif kind == "norms":
            given = Matrix(rows)
        elif kind == "groups":
            given = GroupMeans(tuple(Direction({"w": part.mean(0)}) for part in rows.tensor_split(3)))
        else:
            given = Direction({"w": rows.mean(0)})
        direction, state = aggregator.update(given, state)
    return direction.tensors["w"]


@pytest.mark.parametrize("name", [name for name in AGGREGATORS if name not in OF_FIXED_SIZE])
def test_identical_rows_give_that_row(name):
    row = torch.tensor([1.0, -2.0, 0.0, 3.5])
    torch.testing.assert_close(fed(name, row.repeat(BATCH, 1)), row)


@pytest.mark.parametrize(("name", "size"), [("sign-of-sum", 0.001), ("sum-of-signs", 0.001 * BATCH)])
def test_identical_rows_give_their_signs_at_a_fixed_size(name, size):
    row = torch.tensor([1.0, -2.0, 0.0, 3.5])
    expected = size * torch.tensor([1.0, -1.0, 0.0, 1.0])
    for factor in (1.0, 1e-3, 1e3):
        torch.testing.assert_close(fed(name, factor * row.repeat(BATCH, 1)), expected)


@pytest.mark.parametrize("name", [name for name in AGGREGATORS if name not in NOT_HOMOGENEOUS])
def test_scaling_the_rows_scales_the_direction(name):
    rows = torch.randn(BATCH, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(fed(name, -4 * rows), -4 * fed(name, rows))


@pytest.mark.parametrize("name", AGGREGATORS)
def test_shape_dtype_and_purity(name):
    rows = torch.randn(BATCH, 5, dtype=torch.float64)
    before = rows.clone()
    direction = fed(name, rows)
    assert direction.shape == (5,)
    assert direction.dtype == torch.float64
    assert torch.equal(rows, before)


@pytest.mark.parametrize(
    "name", ["mean", "winsorized", "trimmed-mean", "coordinate-median", "norm-clipped", "sum-of-signs"]
)
def test_the_order_of_rows_is_irrelevant(name):
    rows = torch.randn(BATCH, 5, dtype=torch.float64)
    torch.testing.assert_close(fed(name, rows.flip(0)), fed(name, rows))


@pytest.mark.parametrize("name", ["winsorized", "trimmed-mean", "coordinate-median", "norm-clipped", "median-of-3"])
def test_one_outlier_is_resisted(name):
    rows = torch.randn(BATCH, 5)
    rows[0] = 1e6
    assert fed(name, rows).abs().max() < 10
    assert fed("mean", rows).abs().max() > 1e4


def test_clipping_shortens_long_rows_and_leaves_short_ones_and_zeros():
    rows = torch.randn(BATCH, 30, dtype=torch.float64) * torch.linspace(0, 3, BATCH, dtype=torch.float64)[:, None]
    assert 0 < int((rows.norm(dim=1) > 5).sum()) < BATCH
    torch.testing.assert_close(fed("norm-clipped", rows), reference.clipped_mean(rows, 5.0))


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
