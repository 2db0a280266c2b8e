"""What a claim leaves out, bounds, pools and varies: the choices around a verdict, on made-up trials."""

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from analysis.claims import CLAIMS
from analysis.contrasts import as_ratio, row
from analysis.groups import beyond_null, beyond_null_by_step
from analysis.phases import peak, pooled, size_of, whole_network
from analysis.query import ratio_of_sums
from analysis.rates import best_rate
from analysis.robust import pairs
from analysis.store import Store
from analysis.sweeps import open_sweep
from analysis.verdict import Claim, Variant
from tests.analysis.worlds import World, build, over_seeds
from trainables.estimators import alpha_of_mean
from trainables.spec import TrialSpec

HALF = {"corruption": {"name": "permuted-labels", "fraction": 0.5}}
RANDOM = {"corruption": {"name": "permuted-labels", "fraction": 1.0}}


def judged(path: Path, name: str, specs: tuple[TrialSpec, ...], world: World) -> Claim:
    store = Store(build(path / "store", specs, world))
    claim = import_module(CLAIMS[name].module).evaluate(store, open_sweep(store, "made-up"))
    assert isinstance(claim, Claim)
    return claim


def margin_in_words(text: str) -> float:
    if text.startswith("x "):
        return float(np.log(float(text.removeprefix("x "))))
    return float(text.split()[0]) / 100


def test_the_page_of_claims_has_a_row_for_each_with_its_margin() -> None:
    page = (Path(__file__).parents[2] / "docs/claims.md").read_text()
    rows = re.findall(r"^\| `([a-z-]+)` \| [^|]+ \| ([^|]+) \| [^|]+ \|$", page, re.MULTILINE)
    assert [name for name, _ in rows] == list(CLAIMS)
    for name, margin in rows:
        assert margin_in_words(margin) == pytest.approx(import_module(CLAIMS[name].module).MARGIN), name


def choices(claim: Claim, which: int = 0) -> dict[str, Variant]:
    return {other.choice: other for other in claim.rows[which].sensitivity}


@pytest.mark.parametrize("name", CLAIMS)
@pytest.mark.parametrize(
    "specs",
    [
        over_seeds({"dataset": "digits", "batch_size": 50}, seeds=1),
        over_seeds({}, HALF, RANDOM, {**HALF, "aggregator": "median-of-3"}, seeds=2),
        over_seeds({"corruption": {"name": "gaussian-pixels", "fraction": 0.5}}, seeds=1),
    ],
    ids=["one trial", "two seeds", "noise images"],
)
def test_nothing_is_said_of_fewer_than_three_seeds(tmp_path: Path, name: str, specs: tuple[TrialSpec, ...]) -> None:
    claim = judged(tmp_path, name, specs, World(lambda *_: 0.95))
    assert {made.verdict for made in claim.rows} == {"not measured"}
    assert all(made.why for made in claim.rows)


def rising(_: TrialSpec, step: int, *__: str) -> float:
    return 1.0 + step / 10


@pytest.mark.parametrize(("accuracy", "verdict"), [(1.0, "contradicted"), (0.5, "inconclusive")])
def test_a_curve_that_only_rises_contradicts_a_peak_once_labels_are_fitted(
    tmp_path: Path, accuracy: float, verdict: str
) -> None:
    claim = judged(tmp_path, "broad-parabola", over_seeds({}), World(lambda *_: accuracy, rising))
    assert [made.verdict for made in claim.rows] == [verdict]
    assert claim.rows[0].lower_bound == (accuracy < 1)


def test_the_last_window_is_no_peak_before_itself(tmp_path: Path) -> None:
    store = Store(build(tmp_path, over_seeds({}, seeds=1), World(coherence=rising)))
    rows = whole_network(store, open_sweep(store, "made-up").trials)
    assert peak(rows, 0, before_last=True)[0] < peak(rows, 0)[0]


@pytest.mark.parametrize("alpha", [-0.0004, 0.0, 0.03, 0.4, 1.0])
@pytest.mark.parametrize("k", [1, 2, 10])
def test_units_of_several_examples_are_pooled_as_single_ones(alpha: float, k: int) -> None:
    n = 40
    of_units = 1 + (n - 1) * alpha_of_mean(alpha, k)
    frame = pl.DataFrame({"step": [5, 6], "n": [n, n], "k": [k, k], "q": [2.0, 4.0], "seed": [0, 0]})
    made = ratio_of_sums(frame.with_columns((pl.col("q") * of_units).alias("s2")), ["seed"]).row(0, named=True)
    assert made["n"] == n * k
    assert made["alpha_unbiased"] == pytest.approx(alpha, abs=1e-12)
    assert made["m_coherence"] == pytest.approx(1 + (n * k - 1) * alpha)


def test_units_of_different_size_are_not_pooled() -> None:
    from analysis.errors import Skipped

    frame = pl.DataFrame(
        {"step": [1, 2], "n": [40, 40], "k": [1, 2], "q": [1.0, 1.0], "s2": [1.0, 1.0], "seed": [0, 0]}
    )
    with pytest.raises(Skipped, match="40, 80"):
        ratio_of_sums(frame, ["seed"])


def test_a_claim_reads_single_examples_from_grouped_probes(tmp_path: Path) -> None:
    specs = over_seeds({"estimator": {"name": "grouped", "k": 10}})
    claim = judged(tmp_path, "near-m-at-first", specs, World(coherence=lambda *_: 100.0))
    assert claim.rows[0].effect == pytest.approx(np.log(100 / 250))
    # The same sums read as those of single examples would have put it above a quarter of m.
    assert alpha_of_mean(0.1, 10) > 0.25
    store = Store(tmp_path / "store")
    assert size_of(whole_network(store, open_sweep(store, "made-up").trials)) == 1000


def share_rows() -> pl.DataFrame:
    """Two probes of ||S||^2 = 1 and 99; f of corrupt 0.9 and 0.2 against a band up to 0.5."""
    rows: list[dict[str, Any]] = []
    for step, total, corrupt in ((10, 1.0, 0.9), (20, 99.0, 0.2)):
        for group, f in (("pristine", 1 - corrupt), ("corrupt", corrupt)):
            base = {"trial_id": "a", "seed": 0, "where": "x", "step": step, "group": group, "n": 50, "low": 0.4}
            rows += [
                base | {"quantity": "share", "value": f, "high": 0.5},
                base | {"quantity": "mean-dot", "value": f * total / 50, "high": 0.5 * total / 50},
            ]
    return pl.DataFrame(rows)


def test_shares_are_pooled_as_ratios_of_sums() -> None:
    rows = share_rows()
    assert beyond_null(rows, "x", "corrupt", 0, 30)[0] == pytest.approx((0.9 * 1 + 0.2 * 99) / 100 - 0.5)
    assert beyond_null_by_step(rows, "x", "corrupt", 0, 30)[0] == pytest.approx((0.4 - 0.3) / 2)
    assert beyond_null(rows, "x", "pristine", 0, 15)[0] == pytest.approx(0.1 - 0.5)


def test_seeds_without_a_value_are_named_or_nothing_is_measured() -> None:
    known = {0: 1.0, 1: 1.1, 2: 0.9}
    named = row("x", "c", known, 0.0, as_ratio, seeds=range(5), lost="for a reason")
    assert (named.verdict, named.n) == ("supported", 3)
    assert [text for text in named.beside if "3, 4" in text]
    strict = row("x", "c", known, 0.0, as_ratio, seeds=range(5))
    assert (strict.verdict, strict.n) == ("not measured", 3)
    assert "3, 4" in strict.why


def test_another_choice_that_loses_a_seed_is_not_measured() -> None:
    made = row("x", "c", {0: 1.0, 1: 1.1, 2: 0.9, 3: 1.0}, 0.0, as_ratio, variants={"other": {0: 1.0, 1: 1.0, 2: 1.0}})
    assert [other.verdict for other in made.sensitivity] == ["not measured"]


def test_bounds_from_below_never_contradict_in_any_choice() -> None:
    low = {0: -1.0, 1: -1.1, 2: -0.9}
    made = row("x", "c", low, 0.0, as_ratio, variants={"other": low}, lower_bound=True)
    assert {made.verdict, *(other.verdict for other in made.sensitivity)} == {"inconclusive"}


def test_unfitted_seeds_are_left_out_of_the_end(tmp_path: Path) -> None:
    world = World(lambda one, *_: 0.5 if one.seed == 3 else 1.0, lambda one, *_: 40.0 if one.seed == 3 else 1.1)
    made = judged(tmp_path, "orthogonal-at-end", over_seeds({}, seeds=4), world).rows[0]
    assert (made.verdict, made.n) == ("supported", 3)
    assert any("seed 3" in text for text in made.beside)


def test_a_run_that_is_too_short_says_so(tmp_path: Path) -> None:
    specs = over_seeds(HALF, {**HALF, "aggregator": "median-of-3"})
    made = judged(tmp_path, "prevents-in-the-long-run", specs, World(lambda *_: 0.3)).rows
    assert [one.verdict for one in made] == ["not measured"]
    assert "0.30" in made[0].why


def test_the_choice_of_evaluations_is_shown_where_it_matters(tmp_path: Path) -> None:
    def accuracy(one: TrialSpec, step: int, split: str) -> float:
        return 0.8 if split == "corrupt" and one.aggregator.name == "mean" and step == 2000 else 0.2

    specs = over_seeds(HALF, {**HALF, "aggregator": "median-of-3"})
    claim = judged(tmp_path, "robust-memorises-less", specs, World(accuracy))
    assert claim.rows[0].effect == pytest.approx(0.2)
    assert choices(claim)["last 1 evaluations"].effect == pytest.approx(0.6)
    assert choices(claim)["last 5 evaluations"].effect == pytest.approx(0.12)


def test_windows_and_sample_are_varied_in_the_first_epoch(tmp_path: Path) -> None:
    def coherence(one: TrialSpec, step: int, *_: str) -> float:
        return 1.0 if one.corruption.name != "none" else 101.0 if step < 20 else 11.0 if step < 50 else 3.0

    claim = judged(tmp_path, "real-above-random-early", over_seeds({}, RANDOM), World(coherence=coherence))
    found = choices(claim)
    assert found["steps 50 to 125"].effect == pytest.approx(np.log(3))
    assert (found["steps 0 to 125"].effect or 0) > (claim.rows[0].effect or 0) > np.log(3)


def test_levels_are_varied_where_both_groups_reach_them(tmp_path: Path) -> None:
    def accuracy(_: TrialSpec, step: int, split: str) -> float:
        return min(1.0, step / 100) if split == "pristine" else min(0.65, step / 2000)

    claim = judged(tmp_path, "pristine-before-corrupt", over_seeds(HALF), World(accuracy))
    assert claim.rows[0].effect == pytest.approx(np.log(1000 / 50))
    assert set(choices(claim)) == {"40 % of the labels instead of half", "60 % of the labels instead of half"}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [("random-below-five", 20.0, "supported"), ("orthogonal-at-end", 8.0, "supported")],
)
def test_averaged_weights_are_another_choice_where_they_were_probed(
    tmp_path: Path, name: str, value: float, expected: str
) -> None:
    def coherence(_: TrialSpec, step: int, layer: str, source: str) -> float:
        return value if source == "probe" else 1.0

    both = {"measure": {"probe": {"examples": 1000, "at": ["raw", "ema"]}}}
    for place, more in (("raw", {}), ("both", both)):
        claim = judged(tmp_path / place, name, over_seeds({**RANDOM, **more}), World(lambda *_: 1.0, coherence))
        averaged = [other for choice, other in choices(claim).items() if choice.startswith("at averaged weights")]
        assert claim.rows[0].verdict == "contradicted"
        assert [other.verdict for other in averaged] == ([expected] if more else [])


def test_values_are_rescaled_to_the_published_sample(tmp_path: Path) -> None:
    claim = judged(tmp_path, "random-below-five", over_seeds(RANDOM), World(coherence=lambda *_: 2.0))
    published = next(other for choice, other in choices(claim).items() if "50,000" in choice)
    assert claim.rows[0].verdict == "supported"
    assert published.verdict == "contradicted"
    assert published.effect == pytest.approx(np.log(5 / (1 + 49_999 / 999)))


def test_many_levels_are_stood_for_by_their_middle_one(tmp_path: Path) -> None:
    rules = [{"name": "winsorized", "level": level} for level in (3, 6, 13, 26)]
    fields = [
        {"corruption": {"name": "permuted-labels", "fraction": fraction}, "aggregator": rule}
        for fraction in (0.2, 0.4, 0.6, 0.8)
        for rule in ("mean", *rules)
    ]
    store = Store(build(tmp_path, over_seeds(*fields, seeds=1), World(steps=(0, 1))))
    found = [label for _, label, *_ in pairs(store, open_sweep(store, "made-up"))]
    assert found == ["winsorized 6 %"] * 4


def test_pooled_reads_what_it_is_told(tmp_path: Path) -> None:
    store = Store(build(tmp_path, over_seeds({}, seeds=1), World(coherence=lambda *_: 10.0)))
    rows = whole_network(store, open_sweep(store, "made-up").trials)
    assert pooled(rows, 0, 0)[0] == pytest.approx(10)
    assert pooled(rows, 0, 0, of="alpha_unbiased")[0] == pytest.approx(9 / 999)
    assert pooled(rows, 0, 0, to=112)[0] == pytest.approx(2)


def test_rows_that_stand_for_many_come_in_the_order_of_the_sweep(tmp_path: Path) -> None:
    rules = [
        "mean",
        {"name": "winsorized", "level": 6},
        "rolling-median-of-3",
        "median-of-3",
        {"name": "winsorized", "level": 3},
    ]
    noises = [{"corruption": {"name": "permuted-labels", "fraction": fraction}} for fraction in (0.2, 0.4, 0.6, 0.8)]
    specs = over_seeds(*({"aggregator": rule, **noise} for noise in noises for rule in rules), seeds=1)
    store = Store(build(tmp_path / "store", specs, World()))
    found = [label for _, label, *_ in pairs(store, open_sweep(store, "made-up"))]
    assert found == ["rolling-median-of-3", "median-of-3", "winsorized 3 %"] * 4


def test_of_equally_good_rates_the_smallest_is_the_own_one() -> None:
    assert best_rate({0.3: 0.9, 0.1: 0.9, 0.03: 0.8}) == 0.1


def test_the_middle_third_is_that_of_the_own_run(tmp_path: Path) -> None:
    """Corrupt examples drive the steps 300 to 600 of a run of 900, beside one of 2,000 that they never drive."""

    def share(one: TrialSpec, step: int, group: str) -> tuple[float, float, float] | None:
        short = one.model.name == "lenet"
        if short and step > 900:
            return None
        up = short and 300 <= step <= 600
        return (0.5 + (0.2 if up == (group == "corrupt") else -0.2), 0.4, 0.5)

    store = Store(build(tmp_path, over_seeds(HALF, {"model": "lenet", **HALF}), World(share=share)))
    claim = import_module("analysis.claims.corrupt_drive_late").evaluate(store, open_sweep(store, "made-up"))
    effects = {row.label.split(",")[0]: row.effect for row in claim.rows}
    assert effects == {"MLP": pytest.approx(-0.2), "LeNet": pytest.approx(0.2)}
