"""The contract of every claim: in made-up worlds it holds, fails and stays open, and finds the effect put in."""

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import ClassVar

from analysis.claims import Entry
from analysis.contracts.worlds import World, build
from analysis.store import Store
from analysis.sweeps import nothing_of, open_sweep
from analysis.verdict import Claim
from trainables.plugins import API
from trainables.spec import TrialSpec

Effect = Callable[[int], float]
"""Seed -> size of the effect, in the claim's unit."""


class ClaimContract:
    """name, entry: as published; specs: trials of three seeds that feed the claim; world: how they behave for an
    effect, a staticmethod; hold, fail: effects with which the claim holds and fails."""

    name: ClassVar[str]
    entry: ClassVar[Entry]
    specs: ClassVar[Sequence[TrialSpec]]
    world: Callable[[Effect], World]
    hold: ClassVar[float]
    fail: ClassVar[float]

    def test_it_says_what_the_others_say(self, tmp_path: Path) -> None:
        assert self.entry.api == API
        claim = self.judged(tmp_path, self.hold, 0.0)
        assert claim.name == self.name
        assert claim.margin == import_module(self.entry.module).MARGIN, "the margin is a constant of the file"
        assert claim.margin > 0
        for said in (claim.short, claim.statement, claim.source, claim.unit, claim.reasoning):
            assert said

    def test_it_holds(self, tmp_path: Path) -> None:
        self.check_verdict(tmp_path, self.hold, abs(self.hold) / 50, "supported")

    def test_it_fails(self, tmp_path: Path) -> None:
        self.check_verdict(tmp_path, self.fail, abs(self.fail) / 50, "contradicted")

    def test_it_stays_open(self, tmp_path: Path) -> None:
        middle = (self.hold + self.fail) / 2
        self.check_verdict(tmp_path, middle, abs(self.hold - self.fail) / 2, "inconclusive")

    def test_the_effect_is_what_was_put_in(self, tmp_path: Path) -> None:
        rows = [row for row in self.judged(tmp_path, self.hold, 0.0).rows if row.effect is not None]
        assert rows
        for row in rows:
            assert abs((row.effect or 0.0) - self.hold) <= 0.02 + 0.12 * abs(self.hold), row

    def test_nothing_to_judge_is_not_measured_with_a_reason(self, tmp_path: Path) -> None:
        store = Store(build(tmp_path / "store", self.specs, self.world(lambda _: self.hold)))
        claim = import_module(self.entry.module).evaluate(store, nothing_of(open_sweep(store, "made-up")))
        assert [row.verdict for row in claim.rows] == ["not measured"]
        assert claim.rows[0].why

    def check_verdict(self, folder: Path, effect: float, spread: float, verdict: str) -> None:
        """Every row that is measured comes to this verdict, with the effect in words."""
        rows = [row for row in self.judged(folder, effect, spread).rows if row.verdict != "not measured"]
        assert rows
        assert {row.verdict for row in rows} == {verdict}, [(row.label, row.effect, row.low, row.high) for row in rows]
        assert all(row.said for row in rows), "the effect in words"

    def judged(self, folder: Path, effect: float, spread: float) -> Claim:
        """The claim on trials with this effect, which differs by `spread` from seed to seed."""
        return judged(self.entry, self.specs, self.world(lambda seed: effect + spread * (seed - 1)), folder)


def judged(entry: Entry, specs: Sequence[TrialSpec], world: World, folder: Path) -> Claim:
    """A claim on a made-up sweep of these trials."""
    store = Store(build(folder / "store", specs, world))
    claim: Claim = import_module(entry.module).evaluate(store, open_sweep(store, "made-up"))
    return claim
