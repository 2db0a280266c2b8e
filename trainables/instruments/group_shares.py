"""group-shares: what pristine and corrupt examples contribute to the step (Chatterjee 2020, arXiv 2002.10657).

With S the sum over all m examples and S_A that over group A:
`share`: f^A = S . S_A / ||S||^2, the group's share of the first-order loss reduction; the shares add up to 1.
`mean-dot`: (1/|A|) sum over i in A of g_i . S, the same per example, without the ratio that jumps where S nearly
cancels. `cumulative`: i^A, its integral over steps (trapezoids between measured steps), 0 at the first.
low, high: the 2.5 % and 97.5 % quantiles over null worlds, in which the tags are dealt again at random, the same deal
at every step. Identical gradients: share |A|/m, mean-dot m ||g||^2; orthogonal: |A|/m for equal norms; opposite: S is
0, the share undefined.
"""

import numpy as np
import numpy.typing as npt
import torch

from trainables.instruments import GroupShares
from trainables.instruments.interface import Array, Dots, Reading, State, undefined

BAND = (0.025, 0.975)


def measure(choice: GroupShares, given: Dots, state: State) -> tuple[list[Reading], State]:
    """Three readings of each group; state: last step, last mean dots and integrals, [1 + worlds] each, per group."""
    readings: list[Reading] = []
    after: State = {"step": torch.tensor(given.step)}
    total = float(given.values.sum())
    worlds = np.concatenate([given.corrupt[None], given.worlds(choice.worlds)])
    for group, members in (("pristine", ~worlds), ("corrupt", worlds)):
        size = int(members[0].sum())
        if not size:
            names = ("share", "mean-dot", "cumulative")
            readings += [undefined(quantity, "no examples", group=group, n=0) for quantity in names]
            continue
        sums = members.astype(np.float64) @ given.values
        means = sums / size
        integral = _integral(group, means, given.step, state)
        after |= {f"mean/{group}": torch.from_numpy(means), f"integral/{group}": torch.from_numpy(integral)}
        if total == 0:
            readings.append(undefined("share", "the sum of all gradients is 0", group=group, n=size))
        else:
            readings.append(_banded("share", sums / total, group, size))
        readings += [_banded("mean-dot", means, group, size), _banded("cumulative", integral, group, size)]
    return readings, after


def _integral(group: str, means: Array, step: int, state: State) -> Array:
    if f"mean/{group}" not in state:
        return np.zeros_like(means)
    width = step - int(state["step"])
    before: npt.NDArray[np.float64] = state[f"mean/{group}"].numpy()
    return state[f"integral/{group}"].numpy() + width * (before + means) / 2


def _banded(quantity: str, values: Array, group: str, n: int) -> Reading:
    low, high = np.quantile(values[1:], BAND)
    return Reading(quantity, float(values[0]), group, n, float(low), float(high))
