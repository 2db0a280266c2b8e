"""coherence: alpha and m-coherence as in arXiv 2203.10036 and 2008.01217, and the unbiased alpha.

Identical gradients: alpha 1, m-coherence n, unbiased 1. Orthogonal: 1/n, 1, 0. Opposite: 0, 0, -1/(n-1).

Units of k > 1 examples: the unbiased alpha of one example by inversion, and from it what m = n k examples would show:
m-coherence 1 + (m-1) alpha_U, alpha that over m. Identical 1 and m, orthogonal 0 and 1, as for single examples.
"""

from trainables.estimators import (
    alpha,
    alpha_unbiased_of_one,
    full_set_alpha,
    m_coherence,
    rescaled_m_coherence,
    undefined_reason,
)
from trainables.gradients.types import Statistics


def measure(statistics: Statistics) -> dict[str, float | str | None]:
    """Columns `alpha`, `m_coherence`, `alpha_unbiased`, and `undefined` with the reason when they are null."""
    n, q, s2, k = statistics.n, statistics.q, statistics.s2, statistics.k
    unbiased = alpha_unbiased_of_one(n, q, s2, k)
    undefined = undefined_reason(n, q, s2) or ("one unit: alpha_unbiased needs two" if n == 1 else None)
    if k == 1:
        return {
            "alpha": alpha(n, q, s2),
            "m_coherence": m_coherence(n, q, s2),
            "alpha_unbiased": unbiased,
            "undefined": undefined,
        }
    return {
        "alpha": None if unbiased is None else full_set_alpha(unbiased, n * k),
        "m_coherence": None if unbiased is None else rescaled_m_coherence(unbiased, n * k),
        "alpha_unbiased": unbiased,
        "undefined": undefined,
    }
