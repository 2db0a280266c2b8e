import numpy as np
import pytest
from scipy import stats as reference

from analysis.stats import band, interval, kind_of


@pytest.mark.parametrize(("seeds", "kind"), [(1, "line"), (2, "range"), (3, "t"), (9, "t"), (10, "bootstrap")])
def test_the_number_of_seeds_decides_what_is_shown(seeds: int, kind: str) -> None:
    assert kind_of(seeds) == kind
    assert band(np.ones((seeds, 2))).kind == kind


def test_one_seed_has_no_interval() -> None:
    center, low, high = interval(np.array([3.0]))
    assert center == 3.0
    assert np.isnan([low, high]).all()


def test_two_seeds_have_a_range() -> None:
    assert interval(np.array([1.0, 4.0])) == (2.5, 1.0, 4.0)


def test_three_seeds_have_students_interval() -> None:
    values = np.array([1.0, 2.0, 4.0])
    expected = reference.t.interval(0.95, 2, loc=values.mean(), scale=reference.sem(values))
    assert interval(values) == pytest.approx((7 / 3, *expected))
    # By hand: sd = sqrt(7/3), t(0.975, 2) = 4.302653.
    assert interval(values)[2] == pytest.approx(7 / 3 + 4.302653 * np.sqrt(7 / 3) / np.sqrt(3), rel=1e-6)


def test_ten_seeds_are_bootstrapped_and_repeatable() -> None:
    values = np.random.default_rng(1).normal(5, 1, size=30)
    expected = reference.bootstrap((values,), np.mean, method="percentile", rng=np.random.default_rng(2))
    center, low, high = interval(values)
    assert (low, high) == pytest.approx(tuple(expected.confidence_interval), abs=0.03)
    assert low < center < high
    assert interval(values) == (center, low, high)


def test_log_scale_is_the_geometric_mean() -> None:
    values = np.array([[1.0], [10.0], [100.0]])
    result = band(values, log=True)
    assert result.center[0] == pytest.approx(10.0)
    assert result.low[0] * result.high[0] == pytest.approx(100.0)


def test_undefined_values_stay_undefined_and_are_not_clamped() -> None:
    values = np.array([[1.0, np.nan, -1.0], [2.0, np.nan, 1.0], [3.0, 5.0, 1.0]])
    plain = band(values)
    assert plain.center == pytest.approx([2.0, 5.0, 1 / 3])
    assert list(plain.counts) == [3, 1, 3]
    assert np.isnan(plain.low[1])
    assert list(band(values, log=True).counts) == [3, 1, 2]
    assert np.isnan(band(np.array([[np.nan]])).center[0])
