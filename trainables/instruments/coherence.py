"""coherence: alpha and m-coherence as in arXiv 2203.10036 and 2008.01217, and the unbiased alpha.

Identical gradients: alpha 1, m-coherence n, unbiased 1. Orthogonal: 1/n, 1, 0. Opposite: 0, 0, -1/(n-1).
"""

from trainables.estimators import alpha, alpha_unbiased, m_coherence, undefined_reason
from trainables.gradients.types import Statistics


def measure(statistics: Statistics) -> dict[str, float | str | None]:
    """Columns `alpha`, `m_coherence`, `alpha_unbiased`, and `undefined` with the reason when they are null."""
    n, q, s2 = statistics.n, statistics.q, statistics.s2
    return {
        "alpha": alpha(n, q, s2),
        "m_coherence": m_coherence(n, q, s2),
        "alpha_unbiased": alpha_unbiased(n, q, s2),
        "undefined": undefined_reason(n, q, s2) or ("one unit: alpha_unbiased needs two" if n == 1 else None),
    }
