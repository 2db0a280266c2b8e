"""Adding paired seeds until a claim's widest interval is as narrow as asked, or a budget of trials is spent.

Only the width decides when to stop, and not before FIRST seeds: stopping on a verdict would favour it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.errors import UserError
from orchestrator.load import LoadedSweep
from orchestrator.seeds import seeds_of, with_more_seeds

FIRST = 5
"""Fewest seeds before the width is looked at."""


@dataclass(frozen=True)
class Goal:
    """width: of the widest 95 % interval, in the claim's unit. budget: most trials to add to those planned."""

    claim: str
    width: float
    budget: int

    def check(self) -> None:
        """Refuse what cannot be reached."""
        if self.width <= 0:
            raise UserError(f"--width: given {self.width:g}, expected more than 0, in the unit of the claim.")
        if self.budget < 1:
            raise UserError(f"--budget: given {self.budget}, expected at least 1 trial.")


@dataclass(frozen=True)
class Ended:
    """How it ended: seeds, widest interval (None where no row is measured), trials added, and whether in reach."""

    seeds: int
    width: float | None
    added: int
    reached: bool


def run_until(
    goal: Goal,
    loaded: LoadedSweep,
    run: Callable[[LoadedSweep], bool],
    width_of: Callable[[str], float | None],
    say: Callable[[str], None],
) -> Ended | None:
    """run: runs what is missing of a sweep, says whether all is done; width_of: the widest interval by sweep name.

    None where a run did not finish: the same command goes on from there.
    """
    goal.check()
    start = len(seeds_of(loaded))
    per_seed = len(with_more_seeds(loaded, 1).specs) - len(loaded.specs)
    most = start + goal.budget // per_seed
    wanted = max(FIRST, start)
    while True:
        seeds = min(wanted, most)
        if not run(with_more_seeds(loaded, seeds - start)):
            return None
        width = width_of(loaded.name)
        say(f"{seeds} seeds: widest interval {'undefined' if width is None else f'{width:.3g}'}, asked {goal.width:g}")
        reached = width is not None and width <= goal.width and seeds >= FIRST
        if reached or seeds == most:
            return Ended(seeds, width, (seeds - start) * per_seed, reached)
        wanted = _next(seeds, width, goal.width)


def _next(seeds: int, width: float | None, goal: float) -> int:
    """An interval narrows as 1 / sqrt(n): go there, by at least one seed and at most by half of what there are."""
    if width is None:
        return seeds + 1
    return min(max(math.ceil(seeds * (width / goal) ** 2), seeds + 1), seeds + max(seeds // 2, 1))
