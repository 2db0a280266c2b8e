"""Instruments: known values for identical, orthogonal and opposite gradients, laws, and slow loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainables.contracts.base import subject_of
from trainables.contracts.instruments import (
    GIVEN,
    LABELS,
    SAME,
    SETS,
    D,
    InstrumentContract,
    M,
    directions,
    dots,
    statistics,
)
from trainables.estimators import alpha_unbiased
from trainables.instruments import CHOSEN, INSTRUMENTS
from trainables.instruments.interface import Gram
from trainables.registry import load

BASIS, OPPOSITE = SETS["orthogonal"], SETS["opposite"]
CASES = ("identical", "orthogonal", "opposite")


def read(name, given, state=None):
    choice = INSTRUMENTS[name].params(name=name)
    readings, after = load(INSTRUMENTS[name])(choice, given, state or {})
    return {(r.quantity, r.group): r for r in readings}, after


def values(name, g):
    return {key: r.value for key, r in read(name, GIVEN[INSTRUMENTS[name].facts](g))[0].items()}


EXPECTED = {
    "noise-scale": {
        "identical": {"noise-scale": 0.0},
        "orthogonal": {"noise-scale": None},
        "opposite": {"noise-scale": -M},
    },
    "gradient-diversity": {
        "identical": {"diversity": 1 / M, "batch-size-bound": 1.0},
        "orthogonal": {"diversity": 1.0, "batch-size-bound": M},
        "opposite": {"diversity": None, "batch-size-bound": None},
    },
    "one-step-generalisation": {"identical": {"ratio": 1.0}, "orthogonal": {"ratio": 0.0}, "opposite": {"ratio": None}},
    "gradient-snr": {
        "identical": {"live": 2 / D, "mean": None, "median": None},
        "orthogonal": {"live": 1.0, "mean": 1 / (M - 1), "p05": 1 / (M - 1), "median": 1 / (M - 1), "p95": 1 / (M - 1)},
        "opposite": {"live": 2 / D, "mean": 0.0, "p95": 0.0},
    },
    "cosine-stiffness": {
        "identical": {"all": 1.0, "within": 1.0, "between": 1.0},
        "orthogonal": {"all": 0.0, "within": 0.0, "between": 0.0},
        "opposite": {"all": -1 / (M - 1), "within": 1.0, "between": -1.0},
    },
    "group-shares": {
        "identical": {("share", "pristine"): 0.5, ("share", "corrupt"): 0.5, ("mean-dot", "corrupt"): M * 25.0},
        "orthogonal": {("share", "pristine"): 0.5, ("share", "corrupt"): 0.5, ("mean-dot", "corrupt"): 9.0},
        "opposite": {("share", "pristine"): None, ("share", "corrupt"): None, ("mean-dot", "corrupt"): 0.0},
    },
    "held-out": {
        "identical": {"ratio": 1.0, "cosine": 1.0},
        "orthogonal": {"ratio": 1.0, "cosine": np.sqrt(3 / M)},
        "opposite": {"ratio": None, "cosine": None},
    },
    "sign-stiffness": {
        "identical": {"all": 1.0, "within": 1.0, "between": 1.0},
        "orthogonal": {"all": 0.0, "within": 0.0, "between": 0.0},
        "opposite": {"all": -1 / (M - 1), "within": 1.0, "between": -1.0},
    },
    "gradient-confusion": {
        "identical": {"confusion": 0.0, "negative": 0.0, "cosine": 1.0},
        "orthogonal": {"confusion": 0.0, "negative": 0.0, "cosine": 0.0},
        "opposite": {"confusion": 25.0, "negative": 16 / 28, "cosine": -1.0},
    },
    "cosine-quantiles": {
        "identical": {"p05": 1.0, "median": 1.0, "mean": 1.0},
        "orthogonal": {"p05": 0.0, "p95": 0.0, "mean": 0.0},
        "opposite": {"p05": -1.0, "p95": 1.0, "mean": -1 / (M - 1)},
    },
}


@pytest.mark.parametrize("name", CHOSEN)
@pytest.mark.parametrize("case", CASES)
def test_known_values(name, case):
    found = values(name, SETS[case])
    for key, expected in EXPECTED[name][case].items():
        assert found[key if isinstance(key, tuple) else (key, None)] == (
            None if expected is None else pytest.approx(expected, abs=1e-12)
        )


POWERS = {  # quantity -> power of the gradients' scale
    "confusion": 2,
    "mean-dot": 2,
    "cumulative": 2,
}


class TestInstruments(InstrumentContract):
    """Trials of all are in test_measuring."""

    subjects = {name: subject_of(entry, {}) for name, entry in CHOSEN.items()}
    powers = POWERS
    test_a_trial_runs_and_resumes = None


gradients = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).normal(size=(M, D)) + 0.3)


@pytest.mark.parametrize("name", CHOSEN)
@given(g=gradients, scale=st.sampled_from([1e-3, 0.5, 7.0]))
def test_scaling(name, g, scale):
    before, after = values(name, g), values(name, scale * g)
    for (quantity, group), value in before.items():
        power = POWERS.get(quantity, 0)
        assert after[quantity, group] == pytest.approx(value * scale**power, rel=1e-7, abs=1e-9)


@pytest.mark.parametrize("name", [name for name, entry in CHOSEN.items() if entry.facts in ("statistics", "moments")])
@given(g=gradients, seed=st.integers(0, 99))
def test_the_order_of_examples_does_not_matter(name, g, seed):
    shuffled = values(name, np.random.default_rng(seed).permutation(g))
    for key, value in values(name, g).items():
        assert shuffled[key] == pytest.approx(value, rel=1e-9, abs=1e-12)


def cosine(a, b):
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


@given(g=gradients)
def test_cosines_equal_a_loop_over_pairs(g):
    pairs = [(i, j) for i in range(M) for j in range(i + 1, M)]
    cosines = {(i, j): cosine(g[i], g[j]) for i, j in pairs}
    within = [c for (i, j), c in cosines.items() if LABELS[i] == LABELS[j]]
    between = [c for (i, j), c in cosines.items() if LABELS[i] != LABELS[j]]
    found = values("cosine-stiffness", g)
    assert found["all", None] == pytest.approx(np.mean(list(cosines.values())), abs=1e-10)
    assert found["within", None] == pytest.approx(np.mean(within), abs=1e-10)
    assert found["between", None] == pytest.approx(np.mean(between), abs=1e-10)
    ones = [c for (i, j), c in cosines.items() if LABELS[i] == LABELS[j] == 1]
    assert found["class", "class 1"] == pytest.approx(np.mean(ones), abs=1e-10)
    assert found["class", "class 0 ~ class 1"] == pytest.approx(np.mean(between), abs=1e-10)
    quantiles = values("cosine-quantiles", g)
    assert quantiles["mean", None] == pytest.approx(found["all", None], abs=1e-10)
    assert quantiles["median", None] == pytest.approx(np.median(list(cosines.values())), abs=1e-10)
    signs = values("sign-stiffness", g)
    assert signs["all", None] == pytest.approx(np.mean(np.sign(list(cosines.values()))))
    confusion = values("gradient-confusion", g)
    assert confusion["cosine", None] == pytest.approx(min(cosines.values()))
    assert confusion["confusion", None] == pytest.approx(max(0.0, -min(float(g[i] @ g[j]) for i, j in pairs)))


@given(g=gradients)
def test_gradient_snr_equals_a_loop_over_coordinates(g):
    ratios = [g[:, j].mean() ** 2 / g[:, j].var() for j in range(D)]
    found = values("gradient-snr", g)
    assert found["mean", None] == pytest.approx(np.mean(ratios), rel=1e-8)
    for name, q in (("p05", 0.05), ("p25", 0.25), ("median", 0.5), ("p75", 0.75), ("p95", 0.95)):
        assert found[name, None] == pytest.approx(np.quantile(ratios, q), rel=1e-8)


@given(g=gradients)
def test_one_step_generalisation_is_one_less_the_reciprocal_of_m_coherence(g):
    found = statistics(g)
    alpha = alpha_unbiased(found.n, found.q, found.s2)
    noise = values("noise-scale", g)["noise-scale", None]
    ratio = values("one-step-generalisation", g)["ratio", None]
    assert noise == pytest.approx(1 / alpha - 1)
    mu2, trace = alpha, 1 - alpha  # of gradients with E||g||^2 = 1
    assert ratio == pytest.approx(mu2 / (mu2 + trace / M))


@given(g=gradients)
def test_shares_equal_a_loop_and_add_up(g):
    found, _ = read("group-shares", dots(g))
    s = g.sum(0)
    pristine = sum(float(g[i] @ s) for i in range(M) if LABELS[i] == 0)
    assert found["share", "pristine"].value == pytest.approx(pristine / float(s @ s), rel=1e-9)
    assert found["mean-dot", "pristine"].value == pytest.approx(pristine / 4, rel=1e-9)
    assert found["share", "pristine"].value + found["share", "corrupt"].value == pytest.approx(1.0)


def test_null_worlds_hold_a_group_that_is_like_the_others_and_not_one_that_leads():
    generator = np.random.default_rng(4)
    g = generator.normal(size=(400, 30)) + 0.5
    corrupt = np.arange(400) % 2 == 1
    found, _ = read("group-shares", dots(g, corrupt))
    inside = found["share", "pristine"]
    assert inside.low < inside.value < inside.high
    g[~corrupt] *= 2
    found, _ = read("group-shares", dots(g, corrupt))
    outside = found["share", "pristine"]
    assert outside.value > outside.high
    assert found["share", "corrupt"].value < found["share", "corrupt"].low


def test_the_cumulative_share_is_the_trapezoid_of_the_mean_dots():
    generator, state, expected, last = np.random.default_rng(0), {}, 0.0, None
    for step in (0, 1, 2, 5, 10):
        found, state = read("group-shares", dots(generator.normal(size=(M, D)) + 1, step=step), state)
        value = found["mean-dot", "corrupt"].value
        if last is not None:
            expected += (step - last[0]) * (last[1] + value) / 2
        last = (step, value)
        reading = found["cumulative", "corrupt"]
        assert reading.value == pytest.approx(expected, abs=1e-9)
        assert reading.low <= reading.high


def test_a_group_without_examples_says_so():
    found, _ = read("group-shares", dots(SAME, np.zeros(M, dtype=bool)))
    assert found["share", "corrupt"].reason
    assert found["share", "pristine"].value == pytest.approx(1.0)


def test_an_example_without_a_gradient_has_no_direction():
    g = BASIS.copy()
    g[0] = 0.0
    found, _ = read("cosine-stiffness", directions(g))
    assert found["all", None].n == M - 1
    assert read("cosine-quantiles", Gram(g @ g.T, LABELS))[0]["mean", None].value == pytest.approx(0.0)
