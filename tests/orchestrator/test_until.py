"""Seeds are added in pairs, and only the width of the interval decides when that ends."""

import pytest

from orchestrator.errors import UserError
from orchestrator.load import LoadedSweep, parse_sweep
from orchestrator.seeds import seeds_of, with_more_seeds
from orchestrator.until import FIRST, Goal, run_until

TEXT = """\
name: s
axes:
  corruption: [none, {name: permuted-labels, fraction: 1.0}]
  seed: {range: [0, 3]}
fixed: {dataset: digits, model: mlp, optimizer: {name: sgd, lr: 0.1}, batch_size: 50, epochs: 1}
include: [{aggregator: median-of-3, axes: {seed: [0, 1, 2]}}]
scales: {small: {fixed: {epochs: 2}}}
"""


class Runs:
    """Stands in for running: keeps what was asked, answers with a width that narrows as 1 / sqrt(seeds)."""

    def __init__(self, at_first: float, finishes: bool = True) -> None:
        self.asked: list[LoadedSweep] = []
        self._at_first, self._finishes = at_first, finishes

    def run(self, loaded: LoadedSweep) -> bool:
        self.asked.append(loaded)
        return self._finishes

    def width(self, name: str) -> float | None:
        assert name == "s"
        return self._at_first / len(seeds_of(self.asked[-1])) ** 0.5


def loaded(text: str = TEXT) -> LoadedSweep:
    return parse_sweep(text, "s")


@pytest.mark.parametrize("scale", [None, "small"])
def test_every_condition_gets_the_same_new_seeds_and_keeps_its_old_trials(scale: str | None) -> None:
    before = parse_sweep(TEXT, "s", scale)
    after = with_more_seeds(before, 2)
    assert set(before.specs) < set(after.specs)
    assert seeds_of(after) == [0, 1, 2, 3, 4]
    conditions = {(spec.corruption.name, spec.aggregator.name) for spec in after.specs.values()}
    assert len(after.specs) == 5 * len(conditions)
    assert after.name == before.name
    assert parse_sweep(after.definition, "s", scale).specs == after.specs


def test_a_seed_that_is_no_axis_is_refused() -> None:
    text = "name: s\nfixed: {dataset: digits, model: mlp, optimizer: {name: sgd, lr: 0.1}, batch_size: 50, epochs: 1,"
    with pytest.raises(UserError, match="range"):
        with_more_seeds(loaded(text + " seed: 0}\n"), 1)


def test_it_stops_when_the_width_is_reached() -> None:
    runs = Runs(at_first=1.0)
    ended = run_until(Goal("c", 0.3, 1000), loaded(), runs.run, runs.width, str)
    assert ended is not None
    assert ended.reached
    assert ended.seeds == 12  # 1 / sqrt(12) = 0.289 is the first below 0.3
    assert ended.added == 3 * (12 - 3)
    assert [len(seeds_of(one)) for one in runs.asked] == [5, 7, 10, 12]


def test_nothing_is_decided_before_five_seeds() -> None:
    runs = Runs(at_first=1e-6)
    ended = run_until(Goal("c", 1.0, 1000), loaded(), runs.run, runs.width, str)
    assert ended is not None
    assert (ended.seeds, ended.reached) == (FIRST, True)


@pytest.mark.parametrize(("budget", "seeds"), [(3, 4), (8, 5), (11, 6)])
def test_the_budget_is_never_passed(budget: int, seeds: int) -> None:
    runs = Runs(at_first=100.0)
    ended = run_until(Goal("c", 0.1, budget), loaded(), runs.run, runs.width, str)
    assert ended is not None
    assert (ended.seeds, ended.reached) == (seeds, False)
    assert ended.added <= budget


def test_an_unfinished_run_ends_it_without_an_answer() -> None:
    runs = Runs(at_first=1.0, finishes=False)
    assert run_until(Goal("c", 0.3, 1000), loaded(), runs.run, runs.width, str) is None
    assert len(runs.asked) == 1
