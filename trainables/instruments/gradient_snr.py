"""gradient-snr: r_j = mu_j^2 / Var(g_j) of each coordinate j (GSNR; Liu et al. 2020, arXiv 2001.07384).

mu_j and Var over the examples, both plug-in (Var divides by n). Coordinates that are 0 in every example say nothing and
are left out; `live` is the share of the others. Quantities `mean`, `p05`, `p25`, `median`, `p75`, `p95`, over live
coordinates with a positive variance. Range from 0. Identical gradients: no such coordinate, so undefined; one of n
orthogonal axes each: 1/(n-1); opposite pairs: 0. Per coordinate alpha_j = r_j / (1 + r_j).
"""

import torch

from trainables.instruments import GradientSnr
from trainables.instruments.interface import Moments, Reading, State, undefined

QUANTILES = {"p05": 0.05, "p25": 0.25, "median": 0.5, "p75": 0.75, "p95": 0.95}


def measure(choice: GradientSnr, given: Moments, state: State) -> tuple[list[Reading], State]:
    """Quantiles over coordinates; by sorting, since `torch.quantile` refuses more than 16 million values."""
    del choice
    mean, mean_square = given.total / given.n, given.squares / given.n
    live = given.squares > 0
    # Below the rounding of the difference there is no variance to speak of.
    variance = mean_square - mean.square()
    known = live & (variance > 8 * torch.finfo(variance.dtype).eps * mean_square)
    ratios = (mean[known].square() / variance[known]).sort().values
    share = Reading("live", float(live.double().mean()), n=given.n)
    names = ["mean", *QUANTILES]
    if not len(ratios):
        return [share, *(undefined(name, "no coordinate varies", n=given.n) for name in names)], state
    values = {name: float(_quantile(ratios, q)) for name, q in QUANTILES.items()}
    return [share, Reading("mean", float(ratios.mean()), n=given.n)] + [
        Reading(name, value, n=given.n) for name, value in values.items()
    ], state


def _quantile(ordered: torch.Tensor, q: float) -> torch.Tensor:
    """Linear interpolation between order statistics, as numpy does by default."""
    place = q * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low].lerp(ordered[high], place - low)
