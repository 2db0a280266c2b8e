"""Aggregators: one contract suite over the registry, oracles, and the laws each must keep."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests import reference
from trainables.aggregators import AGGREGATORS, smallest_level, tail_count
from trainables.contracts.aggregators import AggregatorContract
from trainables.contracts.aggregators import fed as fed_to
from trainables.contracts.base import Subject
from trainables.gradients.types import Direction, GroupMeans
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
