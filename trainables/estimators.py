"""Coherence from sufficient statistics: pure functions of (S, Q, n), in float64, nothing clamped.

g_i gradients of n units, S = sum g_i, Q = sum ||g_i||^2, mu = E g. A quantity that is undefined is None.
Sources: Chatterjee and Zielinski, arXiv 2203.10036 and 2008.01217; the unbiased forms are U-statistics over
distinct pairs, derived in docs/estimators.md.
"""

from collections.abc import Sequence
from math import isfinite, sqrt


def undefined_reason(n: int, q: float, s2: float) -> str | None:
    """Why no ratio exists for these statistics, or None."""
    if n == 0:
        return "no examples"
    if not (isfinite(q) and isfinite(s2)):
        return "not finite"
    return "all gradients are zero" if q == 0.0 else None


def alpha(n: int, q: float, s2: float) -> float | None:
    """alpha = ||S||^2 / (n Q), in [0, 1]: identical 1, orthogonal 1/n, opposite 0."""
    return None if undefined_reason(n, q, s2) else s2 / (n * q)


def m_coherence(n: int, q: float, s2: float) -> float | None:
    """||S||^2 / Q, in [0, n]: identical n, orthogonal 1, opposite 0; below 1 gradients oppose each other."""
    return None if undefined_reason(n, q, s2) else s2 / q


def alpha_unbiased(n: int, q: float, s2: float) -> float | None:
    """(||S||^2 - Q) / ((n-1) Q), in [-1/(n-1), 1]: identical 1, orthogonal 0, opposite -1/(n-1). Needs n >= 2."""
    return None if n < 2 or undefined_reason(n, q, s2) else (s2 - q) / ((n - 1) * q)


def mean_square_norm(n: int, q: float) -> float | None:
    """Estimate of E||g||^2: Q / n, unbiased."""
    return None if n == 0 else q / n


def square_mean_norm(n: int, q: float, s2: float) -> float | None:
    """Estimate of ||mu||^2: (||S||^2 - Q) / (n (n-1)), unbiased; may be negative. Needs n >= 2."""
    return None if n < 2 else (s2 - q) / (n * (n - 1))


def effective_sample_size(q: float, q4: float) -> float | None:
    """Q^2 / sum ||g_i||^4, in [1, n]: n for equal norms, 1 when one example owns Q."""
    return q * q / q4 if q4 > 0 and isfinite(q4) else None


def rescaled_m_coherence(alpha_u: float, m: int) -> float:
    """m-coherence expected of a sample of m: 1 + (m-1) alpha_U."""
    return 1.0 + (m - 1) * alpha_u


def full_set_alpha(alpha_u: float, size: int) -> float:
    """Plug-in alpha of a whole set of `size`, from a sample without replacement: (1 + (size-1) alpha_U) / size."""
    return (1.0 + (size - 1) * alpha_u) / size


def alpha_of_mean(alpha_one: float, k: int) -> float:
    """alpha of means of k independent units: k alpha / (1 + (k-1) alpha)."""
    return k * alpha_one / (1.0 + (k - 1) * alpha_one)


def alpha_of_one(alpha_mean: float, k: int) -> float:
    """Inverse of `alpha_of_mean`: alpha_W / (k - (k-1) alpha_W). Give it the unbiased alpha of the group means."""
    return alpha_mean / (k - (k - 1) * alpha_mean)


def alpha_unbiased_of_one(n: int, q: float, s2: float, k: int) -> float | None:
    """Unbiased alpha of one example, from n units that are means of k examples each: `alpha_unbiased` of the units,
    then `alpha_of_one`. For k = 1 the first alone. Identical gradients 1, orthogonal 0; needs n >= 2."""
    alpha_u = alpha_unbiased(n, q, s2)
    return alpha_u if alpha_u is None or k == 1 else alpha_of_one(alpha_u, k)


def noise_scale(alpha_one: float) -> float | None:
    """tr Sigma / ||mu||^2 = 1/alpha - 1 (McCandlish et al. 2018): identical 0, orthogonal undefined (infinite)."""
    return None if alpha_one == 0 else 1.0 / alpha_one - 1.0


def alpha_from_two_batch_sizes(small: int, square_small: float, big: int, square_big: float) -> float | None:
    """alpha from mean squared norms of batch gradients of two sizes (McCandlish et al. 2018, appendix A).

    ||mu||^2 = (B G_B - b G_b) / (B - b); tr Sigma = (G_b - G_B) / (1/b - 1/B);
    alpha = ||mu||^2 / (||mu||^2 + tr Sigma).
    """
    mu2 = (big * square_big - small * square_small) / (big - small)
    trace = (square_small - square_big) / (1 / small - 1 / big)
    return mu2 / (mu2 + trace) if mu2 + trace != 0 else None


def jackknife_error(leave_one_out: Sequence[float]) -> float | None:
    """Delete-a-block standard error: sqrt((J-1)/J sum (theta_j - mean)^2) over J >= 2 blocks."""
    count = len(leave_one_out)
    if count < 2:
        return None
    center = sum(leave_one_out) / count
    return sqrt((count - 1) / count * sum((value - center) ** 2 for value in leave_one_out))
