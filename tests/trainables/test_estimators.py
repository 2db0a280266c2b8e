"""Estimators against sums over pairs, and the laws of coherence as properties."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests import reference
from trainables import estimators
from trainables.gradients.types import Statistics
from trainables.measures import columns

FINITE = st.floats(-10, 10, allow_subnormal=False).map(lambda v: round(v, 3))


@st.composite
def gradients(draw, least=2):
    n, d = draw(st.integers(least, 6)), draw(st.integers(1, 5))
    return torch.from_numpy(draw(arrays(np.float64, (n, d), elements=FINITE)))


def sums(g):
    norms = g.square().sum(1)
    return len(g), float(norms.sum()), float(g.sum(0).square().sum()), float(norms.square().sum())


@settings(max_examples=60, deadline=None)
@given(gradients())
def test_alpha_is_the_mean_over_pairs_and_in_range(g):
    n, q, s2, q4 = sums(g)
    if q == 0:
        assert estimators.alpha(n, q, s2) is None
        assert estimators.undefined_reason(n, q, s2) == "all gradients are zero"
        return
    alpha, unbiased = estimators.alpha(n, q, s2), estimators.alpha_unbiased(n, q, s2)
    assert alpha == pytest.approx(reference.coherence_by_pairs(g), abs=1e-9)
    assert unbiased == pytest.approx(reference.unbiased_by_pairs(g), abs=1e-9)
    assert -1e-9 <= alpha <= 1 + 1e-9
    assert -1 / (n - 1) - 1e-9 <= unbiased <= 1 + 1e-9
    assert estimators.m_coherence(n, q, s2) == pytest.approx(n * alpha)
    assert estimators.rescaled_m_coherence(unbiased, n) == pytest.approx(n * alpha, abs=1e-9)
    assert estimators.full_set_alpha(unbiased, n) == pytest.approx(alpha, abs=1e-9)
    assert 1 - 1e-9 <= estimators.effective_sample_size(q, q4) <= n + 1e-9


@settings(max_examples=40, deadline=None)
@given(gradients(), st.sampled_from([-4.0, 0.5, 1e3]), st.randoms())
def test_scale_and_order_do_not_matter(g, scale, random):
    order = list(range(len(g)))
    random.shuffle(order)
    before, after = sums(g), sums(g[order] * scale)
    if before[1] > 0:
        assert estimators.alpha(*after[:3]) == pytest.approx(estimators.alpha(*before[:3]), abs=1e-9)


LAWS = {
    "identical": (torch.ones(5, 3), 1.0, 5.0, 1.0, 5.0),
    "orthogonal": (torch.eye(5), 1 / 5, 1.0, 0.0, 5.0),
    "opposite": (torch.tensor([[1.0, 2.0], [-1.0, -2.0]]), 0.0, 0.0, -1.0, 2.0),
    "orthogonal, unequal norms": (torch.diag(torch.arange(1.0, 5.0)), 1 / 4, 1.0, 0.0, 900 / 354),
    "one example owns the norm": (torch.tensor([[1.0, 0.0], [0.0, 0.0]]), 0.5, 1.0, 0.0, 1.0),
}


@pytest.mark.parametrize("law", LAWS)
def test_values_of_known_sets(law):
    g, alpha, coherence, unbiased, size = LAWS[law]
    n, q, s2, q4 = sums(g.double())
    row = columns(Statistics(n, q, s2, q4))
    assert row["alpha"] == pytest.approx(alpha)
    assert row["m_coherence"] == pytest.approx(coherence)
    assert row["alpha_unbiased"] == pytest.approx(unbiased)
    assert row["effective_sample_size"] == pytest.approx(size)
    assert row["undefined"] is None


@pytest.mark.parametrize(
    ("n", "q", "s2"), [(0, 0.0, 0.0), (3, 0.0, 0.0), (3, float("inf"), 1.0), (3, 1.0, float("nan"))]
)
def test_what_is_undefined_is_null_with_a_reason(n, q, s2):
    row = columns(Statistics(n, q, s2, 0.0))
    assert row["alpha"] is row["m_coherence"] is row["alpha_unbiased"] is row["effective_sample_size"] is None
    assert row["undefined"]


def test_one_unit_has_a_coherence_but_no_unbiased_one():
    row = columns(Statistics(1, 2.0, 2.0, 4.0))
    assert row["m_coherence"] == 1.0
    assert row["alpha_unbiased"] is None
    assert row["undefined"]


@settings(max_examples=30, deadline=None)
@given(gradients(), st.integers(1, 3))
def test_alpha_is_the_weighted_sum_over_layers(g, cut):
    n, q, s2, _ = sums(g)
    parts = [p for p in (g[:, :cut], g[:, cut:]) if p.shape[1]]
    if q > 0:
        weighted = 0.0
        for part in parts:
            _, q_l, s2_l, _ = sums(part)
            weighted += q_l / q * (estimators.alpha(n, q_l, s2_l) or 0.0)
        assert weighted == pytest.approx(estimators.alpha(n, q, s2), abs=1e-9)


def test_batch_formulas_agree_with_each_other():
    alpha = 0.01
    assert estimators.alpha_of_one(estimators.alpha_of_mean(alpha, 32), 32) == pytest.approx(alpha)
    mu2, trace = 2.0, 198.0
    found = estimators.alpha_from_two_batch_sizes(8, mu2 + trace / 8, 64, mu2 + trace / 64)
    assert found == pytest.approx(alpha)


def test_unbiased_where_the_plug_in_is_not():
    rng = np.random.default_rng(0)
    mean = np.zeros(200)
    mean[0] = 0.5
    truth = 0.25 / (0.25 + 200)
    found, plug_in = [], []
    for _ in range(400):
        g = torch.from_numpy(mean + rng.standard_normal((60, 200)))
        n, q, s2, _ = sums(g)
        found.append(estimators.alpha_unbiased(n, q, s2))
        plug_in.append(estimators.alpha(n, q, s2))
    error = np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found) - truth) < 4 * error
    assert np.mean(plug_in) - truth > 20 * error


def test_grouped_inversion_needs_the_unbiased_alpha_of_the_means():
    rng = np.random.default_rng(1)
    g = torch.from_numpy(rng.standard_normal((4000, 300)) + 0.05 * np.ones(300))
    truth = estimators.alpha_unbiased(*sums(g)[:3])
    means = g.view(400, 10, 300).mean(1)
    corrected = estimators.alpha_of_one(estimators.alpha_unbiased(*sums(means)[:3]), 10)
    naive = estimators.alpha_of_one(estimators.alpha(*sums(means)[:3]), 10)
    assert abs(corrected - truth) < abs(naive - truth)
    assert corrected == pytest.approx(truth, abs=2e-4)


def test_cancellation_near_the_orthogonal_limit_is_small():
    """||S||^2 - Q cancels at m-coherence 1; float32 gradients must still give alpha_U to 1e-6."""
    g = torch.linalg.qr(torch.randn(400, 100, dtype=torch.float64)).Q.t().contiguous()
    single = g.float()
    n, q, s2, _ = sums(single.double())
    assert abs(estimators.alpha_unbiased(n, q, s2)) < 1e-6


def test_jackknife_of_a_mean_is_its_standard_error():
    values = np.array([1.0, 4.0, 2.0, 7.0])
    left_out = [(values.sum() - v) / 3 for v in values]
    assert estimators.jackknife_error(left_out) == pytest.approx(values.std(ddof=1) / 2)
    assert estimators.jackknife_error([1.0]) is None
