"""effective-sample-size: Q^2 / sum ||g_i||^4, in [1, n]; a warning when coherence rests on few examples.

Equal norms (identical, orthogonal or opposite gradients): n. One gradient much larger than the rest: 1.
"""

from trainables.estimators import effective_sample_size
from trainables.gradients.types import Statistics


def measure(statistics: Statistics) -> dict[str, float | str | None]:
    """Column `effective_sample_size`."""
    return {"effective_sample_size": effective_sample_size(statistics.q, statistics.q4)}
