"""Every claim can hold, fail, stay undecided and be unmeasured."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from analysis.claims import CLAIMS
from analysis.cli import HEADLINE
from analysis.evaluation import as_json, evaluate, row_line, summary, table
from analysis.store import Store
from analysis.sweeps import open_sweep
from analysis.verdict import Claim, Row, judge
from tests.analysis.made_up import MEAN, MEDIAN, WINSORIZED, Cell, Effects, MadeUp, grid, permuted, spec, write

STEPS = (0, 20, 50, 100, 125, 500, 1000, 2000)
EARLY, PRISTINE, ROBUST = HEADLINE


def _claim(path: Path, name: str, made_up: MadeUp) -> Claim:
    store = Store(write(path, made_up))
    claim = import_module(CLAIMS[name].module).evaluate(store, open_sweep(store, made_up.name))
    assert isinstance(claim, Claim)
    return claim


def _verdicts(claim: Claim) -> list[str]:
    return [row.verdict for row in claim.rows]


def _scattered(value: Callable[[Cell], float], spread: float) -> Callable[[Cell, int, str], float]:
    """A level that moves by -spread, 0 or +spread with the seed where labels are original or averaging is plain."""

    def level(cell: Cell, _step: int, _what: str) -> float:
        reference = cell.noise == 0 or (cell.noise == 0.5 and cell.aggregator == "mean")
        return value(cell) * float(np.exp(spread * (cell.seed - 1) * reference))

    return level


@pytest.mark.parametrize(
    ("ratio", "spread", "verdict"),
    [(20, 0.05, "supported"), (1.5, 0.01, "inconclusive"), (3, 0.8, "inconclusive"), (0.5, 0.05, "contradicted")],
)
def test_real_above_random(tmp_path: Path, ratio: float, spread: float, verdict: str) -> None:
    effects = Effects(_scattered(lambda cell: ratio if cell.noise == 0 else 1.0, spread), steps=STEPS, examples=10)
    claim = _claim(tmp_path, EARLY, MadeUp(specs=grid(), effects=effects))
    assert _verdicts(claim) == [verdict]
    assert claim.rows[0].effect == pytest.approx(np.log(ratio))
    assert claim.rows[0].n == 3


def test_the_transient_and_later_epochs_do_not_count(tmp_path: Path) -> None:
    def only_outside(cell: Cell, step: int, _layer: str) -> float:
        return 100.0 if cell.noise == 0 and not 20 <= step <= 125 else 1.0

    claim = _claim(tmp_path, EARLY, MadeUp(specs=grid(), effects=Effects(only_outside, steps=STEPS, examples=10)))
    assert claim.rows[0].effect == 0.0
    assert _verdicts(claim) == ["inconclusive"]


def test_steps_that_only_one_arm_probed_are_not_compared(tmp_path: Path) -> None:
    effects = Effects(
        lambda cell, step, _: 9.0 if cell.noise == 0 and step > 50 else 3.0, steps=(0, 50, 100), examples=5
    )
    path = write(tmp_path, MadeUp(specs=grid(), effects=effects))
    thin = Effects(effects.coherence, steps=(0, 50), examples=5)
    for one in grid(corruptions=(permuted(1.0),)):
        from tests.analysis.made_up import write_trial

        write_trial(path, one, thin)
    store = Store(path)
    row = import_module(CLAIMS[EARLY].module).evaluate(store, open_sweep(store, "demo")).rows[0]
    assert row.effect == 0.0


def test_different_probe_sizes_are_not_compared(tmp_path: Path) -> None:
    real, random = grid(corruptions=({"name": "none"},)), grid(corruptions=(permuted(1.0),))
    path = write(tmp_path, MadeUp(specs=real + random, effects=Effects(steps=STEPS, examples=5)))
    from tests.analysis.made_up import write_trial

    for one in random:
        write_trial(path, one, Effects(steps=STEPS, examples=5, probe={"mlp": 100}))
    store = Store(path)
    row = import_module(CLAIMS[EARLY].module).evaluate(store, open_sweep(store, "demo")).rows[0]
    assert (row.verdict, "differ in size" in row.why) == ("not measured", True)


def _learns_at(pristine: Callable[[Cell], int], corrupt: Callable[[Cell], int]) -> Effects:
    def accuracy(cell: Cell, step: int, split: str) -> float:
        reached = corrupt(cell) if split == "corrupt" else pristine(cell)
        return 0.9 if step >= reached else 0.1

    return Effects(accuracy=accuracy, steps=STEPS, examples=5)


NEVER = 10**6
ONE_ARM = {"broad-parabola", "near-m-at-first", "orthogonal-at-end", "orthogonal-at-start"}
"""Claims about a single arm."""


@pytest.mark.parametrize(
    ("pristine", "corrupt", "verdict"),
    [
        (lambda _: 50, lambda _: 1000, "supported"),
        (lambda cell: (20, 50, 100)[cell.seed], lambda cell: (100, 50, 100)[cell.seed], "inconclusive"),
        (lambda _: 1000, lambda _: 50, "contradicted"),
        (lambda _: NEVER, lambda _: 50, "not measured"),
        (lambda _: 0, lambda _: 50, "not measured"),
        (lambda _: 50, lambda _: 0, "not measured"),
    ],
)
def test_pristine_before_corrupt(
    tmp_path: Path, pristine: Callable[[Cell], int], corrupt: Callable[[Cell], int], verdict: str
) -> None:
    made_up = MadeUp(specs=grid(corruptions=(permuted(0.5),)), effects=_learns_at(pristine, corrupt))
    claim = _claim(tmp_path, PRISTINE, made_up)
    assert _verdicts(claim) == [verdict]
    assert not claim.rows[0].lower_bound


def test_never_learnt_is_a_bound_from_below(tmp_path: Path) -> None:
    effects = _learns_at(lambda _: 50, lambda _: NEVER)
    claim = _claim(tmp_path, PRISTINE, MadeUp(specs=grid(corruptions=(permuted(0.5),)), effects=effects))
    (row,) = claim.rows
    assert (row.verdict, row.lower_bound) == ("supported", True)
    assert row.effect == pytest.approx(np.log(2000 / 50))
    assert row.said.startswith("at least x 40.0")


def test_bounds_never_contradict() -> None:
    effects = {0: -1.0, 1: -1.1, 2: -0.9}
    assert judge("here", "a minus b", effects, 0.5).verdict == "contradicted"
    assert judge("here", "a minus b", effects, 0.5, lower_bound=True).verdict == "inconclusive"


@pytest.mark.parametrize(
    ("robust", "spread", "verdict"),
    [(0.1, 0.02, "supported"), (0.36, 0.01, "inconclusive"), (0.2, 0.6, "inconclusive"), (0.6, 0.02, "contradicted")],
)
def test_robust_memorises_less(tmp_path: Path, robust: float, spread: float, verdict: str) -> None:
    level = _scattered(lambda cell: 0.4 if cell.aggregator == "mean" else robust, spread)
    specs = grid(corruptions=(permuted(0.5),), aggregators=(MEAN, WINSORIZED, MEDIAN))
    effects = Effects(accuracy=level, steps=STEPS, examples=5)
    claim = _claim(tmp_path, ROBUST, MadeUp(specs=specs, effects=effects))
    assert _verdicts(claim) == [verdict] * 2
    assert [row.contrast for row in claim.rows] == ["mean minus winsorized 3 %", "mean minus median-of-3"]
    assert claim.rows[0].effect == pytest.approx(0.4 - robust, abs=0.06)
    assert any("best evaluation of mean" in text for text in claim.rows[0].beside)


def test_robust_is_paired_by_seed(tmp_path: Path) -> None:
    """Seeds differ widely, but alike in both arms."""
    effects = Effects(
        accuracy=lambda cell, *_: 0.3 * cell.seed + 0.1 * (cell.aggregator == "mean"), steps=STEPS, examples=5
    )
    specs = (*grid(corruptions=(permuted(0.5),), aggregators=(MEAN, MEDIAN)), spec("mlp", permuted(0.5), MEAN, 3))
    (row,) = _claim(tmp_path, ROBUST, MadeUp(specs=specs, effects=effects)).rows
    assert (row.verdict, row.n) == ("supported", 3)
    assert row.effect == pytest.approx(0.1)


@pytest.mark.parametrize("name", CLAIMS)
def test_two_seeds_are_not_enough(tmp_path: Path, name: str) -> None:
    specs = grid(aggregators=(MEAN, WINSORIZED), seeds=2)
    claim = _claim(tmp_path, name, MadeUp(specs=specs, effects=Effects(steps=STEPS, examples=5)))
    assert set(_verdicts(claim)) == {"not measured"}
    assert all(row.why for row in claim.rows)


@pytest.mark.parametrize("name", sorted(set(CLAIMS) - ONE_ARM))
def test_a_sweep_without_its_axes_is_not_measured(tmp_path: Path, name: str) -> None:
    claim = _claim(
        tmp_path, name, MadeUp(specs=grid(corruptions=({"name": "none"},)), effects=Effects(steps=STEPS, examples=5))
    )
    assert _verdicts(claim) == ["not measured"]
    assert claim.rows[0].why


def test_the_rule_needs_the_whole_interval_beyond_the_margin() -> None:
    values = {0: 0.9, 1: 1.0, 2: 1.1}  # interval 1 +- 0.248
    assert judge("", "", values, 0.75).verdict == "supported"
    assert judge("", "", values, 0.76).verdict == "inconclusive"
    assert judge("", "", {0: 1.0, 1: 1.0}, 0.0).verdict == "not measured"


def test_all_claims_of_the_demo_are_said(opened: tuple) -> None:
    claims = evaluate(*opened)
    assert [claim.name for claim in claims] == list(CLAIMS)
    rows = {claim.name: claim.rows for claim in claims}
    assert [len(rows[name]) for name in HEADLINE] == [2, 2, 2]
    content = {claim["name"]: claim for claim in as_json(opened[1], claims)["claims"]}
    assert content[EARLY]["rows"][0]["verdict"] == "supported"
    assert len(table(claims)) == len(CLAIMS)
    content = as_json(opened[1], claims)
    assert (content["planned"], content["completed"]) == (48, 48)
    assert all(summary(claim) for claim in claims)
    assert row_line(Row("here", "a", "not measured", why="no seeds.")) == "not measured: here, a: no seeds."
