"""Each claim holds, fails and stays undecided on stores that are made to have that effect, seed by seed."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.claims import CLAIMS
from analysis.contracts.claims import judged as judged_on
from analysis.verdict import Claim
from tests.analysis.worlds import World, over_seeds
from trainables.spec import TrialSpec

Effect = Callable[[int], float]
HALF = {"corruption": {"name": "permuted-labels", "fraction": 0.5}}
RANDOM = {"corruption": {"name": "permuted-labels", "fraction": 1.0}}
NOISE_IMAGES = {"corruption": {"name": "gaussian-pixels", "fraction": 1.0}}
WINSORIZED = [{"name": "winsorized", "level": level} for level in (3, 6, 13)]
LEVELS = ["mean", *WINSORIZED]


@dataclass(frozen=True)
class Case:
    """specs: trials of three seeds; world: from the effect of each seed; hold and fail: effects that must be called so;
    wide: a scatter over seeds at which nothing can be said."""

    specs: tuple[TrialSpec, ...]
    world: Callable[[Effect], World]
    hold: float
    fail: float
    wide: float = 3.0


def name_of(one: TrialSpec) -> str:
    return one.aggregator.name


def each(name: str, values: list[Any], **more: Any) -> list[dict[str, Any]]:
    return [{name: value, **more} for value in values]


def by_aggregator(split: str, reference: float, sign: float, plain: str = "mean") -> Callable[[Effect], World]:
    """Accuracy on `split`: `reference` under `plain`, moved by sign x effect under any other rule; 0.95 elsewhere."""

    def world(e: Effect) -> World:
        def accuracy(one: TrialSpec, step: int, where: str) -> float:
            if where != split:
                return 0.95
            return reference + (0.0 if name_of(one) == plain else sign * e(one.seed))

        return World(accuracy)

    return world


def coherence_of(value: Callable[[float, str, int], float], accuracy: float = 0.995) -> Callable[[Effect], World]:
    return lambda e: World(
        accuracy=lambda *_: accuracy, coherence=lambda one, step, layer, _: value(e(one.seed), layer, step)
    )


def slower(e: Effect) -> World:
    def accuracy(one: TrialSpec, step: int, split: str) -> float:
        reached = 100 * (np.exp(e(one.seed)) if one.corruption.name != "none" else 1)
        return 0.9 if step >= reached else 0.1

    return World(accuracy)


def peaked(e: Effect) -> World:
    def accuracy(one: TrialSpec, step: int, split: str) -> float:
        if split == "test":
            return 0.6 + (e(one.seed) if step <= 200 else 0.0)
        return 0.54 if step >= 100 else 0.1  # nine tenths of proper accuracy, 0.55, are reached at step 100

    return World(accuracy)


def overfit(e: Effect) -> World:
    def accuracy(one: TrialSpec, step: int, split: str) -> float:
        place = [3, 6, 13].index(one.aggregator.level) + 1 if name_of(one) == "winsorized" else 0
        return 0.5 if split == "test" else 0.05 + 0.25 + 0.4 - place * e(one.seed)

    return World(accuracy)


def sides(e: Effect) -> World:
    def accuracy(one: TrialSpec, step: int, split: str) -> float:
        own = one.difficulty is not None and one.difficulty.side == "easy" == split
        return 0.6 + (e(one.seed) if own else 0.0)

    return World(
        accuracy,
        lambda one, *_: 5.0 * float(np.exp(e(one.seed) if one.difficulty.side == "easy" else 0.0)),
        extra=("easy", "hard"),
    )


def started(e: Effect) -> World:
    return World(lambda one, *_: 0.8 - (0.0 if one.init == "default" else e(one.seed)))


def samples(e: Effect) -> World:
    def coherence(one: TrialSpec, step: int, layer: str, source: str) -> float:
        apart = np.log(1.25) - e(one.seed)
        small = 1 + 999 * 0.05
        if one.measure.probe.skip == 0:
            return small
        return 1 + 1999 * (small * float(np.exp(apart)) - 1) / 999

    return World(coherence=coherence)


def at_equal_loss(e: Effect) -> World:
    return World(
        coherence=lambda one, *_: 5.0 * float(np.exp(e(one.seed) if one.corruption.name == "none" else 0.0)),
        loss=lambda one, step, _: 2.3 * float(np.exp(-step / (300 if one.corruption.name == "none" else 900))),
    )


def humped(e: float, layer: str, step: int) -> float:
    del layer
    start, middle = float(np.exp(max(-e, 0.0))), float(np.exp(max(e, 0.0)))
    return start if step < 20 else middle if 50 <= step <= 500 else 1.0


def tuned(e: Effect) -> World:
    def accuracy(one: TrialSpec, step: int, split: str) -> float:
        if split == "pristine":
            return 0.8 + 0.5 * one.optimizer.lr
        return 0.5 - (0.0 if name_of(one) == "mean" else e(one.seed))

    return World(accuracy)


def shares_of(group: str) -> Callable[[Effect], World]:
    """f of `group` is beyond its band of 0.4 to 0.5 by the effect; both groups add up to 1."""

    def world(e: Effect) -> World:
        return World(share=lambda one, _, of: (0.5 + (1 if of == group else -1) * e(one.seed), 0.4, 0.5))

    return world


EASY_HARD = over_seeds(*each("difficulty", [{"side": "easy"}, {"side": "hard"}]))
STARTS = over_seeds({}, {"init": {"name": "pretrained", "corruption": RANDOM["corruption"], "epochs": 3}})
SAMPLES = over_seeds({}, {"measure": {"probe": {"examples": 2000, "skip": 1000}}})
RATES = over_seeds(
    *(
        {"optimizer": {"name": "sgd", "lr": lr}, "aggregator": rule, **HALF}
        for lr in (0.1, 0.2)
        for rule in ("mean", "median-of-3")
    )
)
ROBUST = over_seeds(*each("aggregator", ["mean", WINSORIZED[0], "median-of-3"], **HALF))
GRID = over_seeds(*each("aggregator", LEVELS, **HALF))
ROLLING = over_seeds(*each("aggregator", ["rolling-mean-of-3", "rolling-median-of-3"], **HALF))

CASES: dict[str, Case] = {
    "more-noise-slower": Case(over_seeds({}, HALF), slower, np.log(8), np.log(0.4)),
    "test-peaks-early": Case(over_seeds(HALF), peaked, 0.1, -0.1, 0.3),
    "pristine-drive-early": Case(over_seeds(HALF), shares_of("pristine"), 0.2, -0.2),
    "corrupt-drive-late": Case(over_seeds(HALF), shares_of("corrupt"), 0.2, -0.2),
    "winsorizing-below-proper": Case(
        over_seeds(*each("aggregator", WINSORIZED[1:], **HALF)), by_aggregator("train", 0.55, -1.0), 0.1, -0.1, 0.3
    ),
    "winsorizing-overfits-less": Case(GRID, overfit, 0.05, -0.05, 0.1),
    "large-levels-cost-fit": Case(GRID, by_aggregator("pristine", 0.8, -1.0), 0.1, -0.1, 0.3),
    "robust-improves-final-test": Case(ROBUST, by_aggregator("test", 0.6, 1.0), 0.1, -0.1, 0.3),
    "robust-beats-early-stopping": Case(ROBUST, by_aggregator("test", 0.6, 1.0), 0.1, -0.1, 0.3),
    "robust-at-equal-pristine": Case(ROBUST, by_aggregator("corrupt", 0.5, -1.0), 0.1, -0.1, 0.3),
    "median-not-averaging": Case(ROLLING, by_aggregator("corrupt", 0.5, -1.0, "rolling-mean-of-3"), 0.1, -0.1, 0.3),
    "prevents-in-the-long-run": Case(
        ROBUST,
        lambda e: World(lambda one, *_: 0.95 if name_of(one) == "mean" else 0.5 - e(one.seed)),
        0.2,
        -0.2,
        0.3,
    ),
    "learning-rate-not-the-reason": Case(RATES, tuned, 0.2, -0.2, 0.25),
    "easy-more-coherent": Case(EASY_HARD, sides, 1.0, -0.3),
    "easy-generalises-better": Case(EASY_HARD, sides, 0.2, -0.2, 0.3),
    "adversarial-start-hurts": Case(STARTS, started, 0.1, -0.1, 0.3),
    "near-m-at-first": Case(over_seeds({}), coherence_of(lambda e, *_: 250 * float(np.exp(e))), 0.5, -0.5),
    "double-sample-same": Case(SAMPLES, samples, 0.2, -0.5),
    "real-above-random-at-equal-loss": Case(over_seeds({}, RANDOM), at_equal_loss, np.log(4), np.log(0.5)),
    "broad-parabola": Case(over_seeds({}), coherence_of(humped), np.log(4), np.log(0.3)),
    "orthogonal-at-start": Case(over_seeds({}), coherence_of(lambda e, *_: float(np.exp(np.log(2) - e))), 0.5, -1.0),
    "orthogonal-at-end": Case(over_seeds({}), coherence_of(lambda e, *_: float(np.exp(np.log(2) - e))), 0.5, -1.0),
    "random-below-five": Case(over_seeds(RANDOM), coherence_of(lambda e, *_: 5 * float(np.exp(-e))), 0.5, -0.5),
    "random-rises-while-memorised": Case(
        over_seeds(RANDOM),
        coherence_of(lambda e, _, step: 1.0 if step <= 125 else float(np.exp(e))),
        np.log(5),
        np.log(0.5),
    ),
    "first-layer-below-one": Case(
        over_seeds({"model": "lenet"}),
        coherence_of(lambda e, layer, _: float(np.exp(-e)) if layer == "conv1" else 3.0),
        0.5,
        -0.5,
    ),
    "convolutions-above-fully-connected": Case(
        over_seeds({"model": "lenet"}),
        coherence_of(lambda e, layer, _: 5 * float(np.exp(e)) if "conv" in layer else 5.0),
        1.0,
        -0.5,
    ),
    "alexnet-random-high": Case(
        over_seeds({"model": {"name": "alexnet", "width": 8}, **RANDOM}),
        coherence_of(lambda e, *_: 5 * float(np.exp(e))),
        0.5,
        -0.5,
    ),
    "noise-pixels-memorised-less": Case(
        over_seeds(*each("aggregator", ["mean", WINSORIZED[1]], **NOISE_IMAGES)),
        by_aggregator("train", 0.8, -1.0),
        0.1,
        -0.1,
        0.3,
    ),
}
TESTED_ELSEWHERE = {"real-above-random-early", "pristine-before-corrupt", "robust-memorises-less"}


def judged(path: Path, name: str, effect: float, spread: float) -> Claim:
    case = CASES[name]
    world = case.world(lambda seed: effect + spread * (seed - 1))
    return judged_on(CLAIMS[name], case.specs, world, path)


def test_no_claim_is_untested() -> None:
    assert set(CASES) | TESTED_ELSEWHERE == set(CLAIMS)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("kind", ["supported", "contradicted", "inconclusive"])
def test_each_claim_can_hold_fail_and_stay_open(tmp_path: Path, name: str, kind: str) -> None:
    case = CASES[name]
    effect = {"supported": case.hold, "contradicted": case.fail, "inconclusive": (case.hold + case.fail) / 2}[kind]
    claim = judged(tmp_path, name, effect, case.wide if kind == "inconclusive" else abs(case.hold) / 50)
    rows = [row for row in claim.rows if row.verdict != "not measured"]
    assert rows, [row.why for row in claim.rows]
    assert {row.verdict for row in rows} == {kind}, [(row.label, row.effect, row.low, row.high) for row in rows]
    assert all(row.n == 3 and row.said for row in rows)
    assert claim.name == name
    assert (claim.unit, claim.source, claim.reasoning, claim.short) > ("", "", "", "")


@pytest.mark.parametrize("name", CASES)
def test_the_effect_is_what_was_put_in(tmp_path: Path, name: str) -> None:
    case = CASES[name]
    rows = [row for row in judged(tmp_path, name, case.hold, 0.0).rows if row.effect is not None]
    assert all(row.effect == pytest.approx(case.hold, rel=0.12, abs=0.02) for row in rows), [row.effect for row in rows]
    assert all(row.sensitivity for row in rows)
    assert {other.verdict for row in rows for other in row.sensitivity} <= {
        "supported",
        "inconclusive",
        "contradicted",
        "not measured",
    }
