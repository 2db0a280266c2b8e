"""What the figures need, and what of it a store still lacks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.figures import FIGURES
from analysis.store import Store
from trainables.plugins import PluginError
from trainables.records import STORE_FILE, Location

Planner = Callable[[Sequence[str], str | None, Location], dict[str, list[str]]]
"""(names of sweeps, scale, store) -> trial ids by the name under which each sweep is stored."""


@dataclass(frozen=True)
class Gap:
    """A figure, the trials that its sweeps plan, and how many of them have completed."""

    figure: str
    papers: str
    planned: int
    done: int
    missing: dict[str, int]

    def as_json(self) -> dict[str, Any]:
        """The form that `figures --status --json` prints."""
        return dict(vars(self))


def gaps(store: Location, planner: Planner, scale: str | None) -> list[Gap]:
    """One per figure, in order; a store that does not exist has nothing."""
    done = set(Store(store).trials["trial_id"]) if (store / STORE_FILE).exists() else set()
    needed = dict.fromkeys(sweep for entry in FIGURES.usable().values() for sweep in entry.needs)
    known = {sweep: planner((sweep,), scale, store) for sweep in needed}
    found = []
    for name, entry in FIGURES.usable().items():
        sweeps = {stored: ids for sweep in entry.needs for stored, ids in known[sweep].items()}
        planned = {identity for ids in sweeps.values() for identity in ids}
        missing = {sweep: len(set(ids) - done) for sweep, ids in sweeps.items()}
        lacking = {sweep: count for sweep, count in missing.items() if count}
        found.append(Gap(name, entry.papers, len(planned), len(planned & done), lacking))
    return found


def gap_lines(found: Sequence[Gap], scale: str | None) -> list[str]:
    """A table, and the command that fills the first gap."""
    width = max(len(gap.figure) for gap in found)
    lines = [f"{'figure':<{width}}  {'done':>9}  missing"]
    for gap in found:
        missing = ", ".join(f"{sweep} {count}" for sweep, count in gap.missing.items()) or "-"
        lines.append(f"{gap.figure:<{width}}  {gap.done:>4}/{gap.planned:<4}  {missing}")
    lines += [str(why) for _, why in FIGURES.each() if isinstance(why, PluginError)]
    first = next((gap.figure for gap in found if gap.missing), None)
    size = f" --scale {scale}" if scale else ""
    return lines if first is None else [*lines, f"next: coherence run --for {first}{size}"]
