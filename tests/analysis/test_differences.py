"""What differs between sweeps and trials: signs, pairing, and that nothing is left out."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.cli import compare
from analysis.difference_lines import difference_lines
from analysis.differences import _effect
from analysis.errors import UserError
from analysis.stats import interval
from tests.analysis.made_up import MEAN, MEDIAN, NONE, Effects, MadeUp, grid, permuted, write
from trainables.records import sweep_path, write_part
from trainables.spec import canonical_json, trial_id

EFFECTS = Effects(steps=(0, 10, 20, 50, 125, 2000), examples=20)


def second_sweep(store: Path, name: str, specs) -> None:
    rows = [
        {
            "sweep": name,
            "revision": 0,
            "position": k,
            "trial_id": trial_id(one),
            "spec": canonical_json(one),
            "definition": f"name: {name}\n",
        }
        for k, one in enumerate(specs)
    ]
    write_part(sweep_path(store, name, 0), "sweeps", rows, tag="test")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sweep `demo` with three seeds of four arms; sweep `other` with seeds 0 and 1 of its own rate, one arm less."""
    specs = grid(corruptions=(NONE, permuted(0.5)), aggregators=(MEAN, MEDIAN))
    slower = [
        one.model_copy(update={"optimizer": one.optimizer.model_copy(update={"lr": 0.01})})
        for one in grid(corruptions=(NONE, permuted(0.5)), aggregators=(MEAN, MEDIAN), seeds=2)
        if (one.corruption.name, one.aggregator.name) != ("none", "median-of-3")
    ]
    path = write(tmp_path_factory.mktemp("two") / "store", MadeUp(specs=[*specs, *slower], effects=EFFECTS))
    second_sweep(path, "demo", specs)
    second_sweep(path, "other", slower)
    return path


def test_a_sweep_and_itself(two):
    found = compare(two, "demo", "demo")
    assert (found.fields, found.only_a, found.only_b, found.provenance) == ((), (), (), ())
    assert len(found.arms) == 4
    assert {effect.difference for arm in found.arms for effect in arm.effects} == {0.0}
    assert all(arm.seeds_of_one == () and arm.effects for arm in found.arms)


def test_matched_arms_paired_seeds_and_what_has_no_counterpart(two):
    found = compare(two, "demo", "other")
    assert found.fields == (("optimizer.lr", 0.2, 0.01),)
    assert len(found.arms) == 3
    assert [arm for arm in found.only_a if "median-of-3" in arm and "none" in arm] == list(found.only_a)
    assert found.only_b == ()
    for arm in found.arms:
        assert arm.seeds_of_one == (2,)
        assert {(effect.kind, effect.n) for effect in arm.effects} == {("range", 2)}
    trials = pl.read_parquet(two / "trials/*/*.parquet")
    arm, slow = found.arms[0], pl.col("spec").str.contains("0.01", literal=True)
    rows = trials.filter(
        (pl.col("corruption") == "none") & (pl.col("aggregator") == "mean") & (pl.col("seed") < 2)
    ).sort("seed")
    a = rows.filter(~slow)["final_test_accuracy"].to_numpy()
    b = rows.filter(slow)["final_test_accuracy"].to_numpy()
    effect = next(one for one in arm.effects if one.metric == "final test accuracy")
    assert effect.difference == pytest.approx((b - a).mean())
    assert (effect.low, effect.high) == (pytest.approx((b - a).min()), pytest.approx((b - a).max()))


def test_the_other_way_round_is_the_opposite(two):
    one, other = compare(two, "demo", "other"), compare(two, "other", "demo")
    assert other.fields == tuple((name, b, a) for name, a, b in one.fields)
    assert (other.only_a, other.only_b) == (one.only_b, one.only_a)
    mine = {(arm.arm, effect.metric): effect for arm in one.arms for effect in arm.effects}
    theirs = {(arm.arm, effect.metric): effect for arm in other.arms for effect in arm.effects}
    assert mine.keys() == theirs.keys()
    for key, effect in mine.items():
        assert theirs[key].difference == pytest.approx(-effect.difference)
        assert (theirs[key].a, theirs[key].b) == (effect.b, effect.a)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(-10, 10), st.one_of(st.floats(-10, 10), st.just(float("nan")))), min_size=1, max_size=8
    )
)
def test_effects_are_those_of_the_pairs_that_both_have(pairs):
    a, b = [one for one, _ in pairs], [other for _, other in pairs]
    known = [other - one for one, other in pairs if np.isfinite(other)]
    found = _effect("x", a, b)
    if not known:
        assert found is None
        return
    center, low, high = interval(np.array(known))
    assert (found.n, found.difference) == (len(known), pytest.approx(center))
    opposite = _effect("x", b, a)
    assert opposite.difference == pytest.approx(-found.difference)
    if len(known) > 1:
        assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
        assert opposite.low == pytest.approx(-found.high)
    else:
        assert found.low is None


def test_two_trials(two):
    trials = pl.read_parquet(two / "trials/*/*.parquet").sort("seed")
    first, second = trials.filter(pl.col("corruption") == "none")["trial_id"][:2].to_list()
    found = compare(two, first[:11], second)
    assert (found.a, found.b, found.kind) == (first, second, "trial")
    assert found.fields or trials.filter(pl.col("trial_id").is_in([first, second]))["seed"].n_unique() == 2
    assert "\n".join(difference_lines(found))
    json.dumps([vars(effect) for arm in found.arms for effect in arm.effects], allow_nan=False)
    same = compare(two, first, first)
    assert (same.fields, same.finals, same.first_row, same.provenance) == ((), (), "", ())


def test_the_first_row_that_differs_is_named(two, tmp_path):
    import shutil

    shutil.copytree(two, tmp_path / "copy")
    identity = pl.read_parquet(two / "trials/*/*.parquet")["trial_id"][0]
    (part,) = (tmp_path / "copy" / "evals" / identity).glob("*.parquet")
    rows = pl.read_parquet(part).to_dicts()
    rows[2]["accuracy"] += 0.125
    write_part(part, "evals", rows, tag="test")
    found = compare(two, identity, identity, tmp_path / "copy")
    assert found.first_row.startswith(f"evals, row 2, step {rows[2]['step']}: accuracy ")
    assert f"{rows[2]['accuracy']}" in found.first_row


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        ("demo", "none-such", "neither a sweep .* nor the id"),
        ("demo", "TRIAL", "is a sweep and .* a trial"),
        ("", "", "begin with ''"),
        ("demo", "empty", "no completed trial"),
    ],
)
def test_what_cannot_be_compared_is_one_clear_error(two, a, b, said):
    trials = pl.read_parquet(two / "trials/*/*.parquet")
    if not (two / "sweeps" / "apart").exists():
        demo = grid(corruptions=(permuted(0.5),), aggregators=(MEAN, MEDIAN), seeds=1)
        second_sweep(two, "apart", [demo[0].model_copy(update={"epochs": 99})])
        second_sweep(two, "empty", [demo[0].model_copy(update={"epochs": 98})])
    with pytest.raises(UserError, match=said):
        compare(two, a, trials["trial_id"][0] if b == "TRIAL" else b)


def test_sweeps_without_a_common_arm_are_refused(tmp_path):
    half, whole = (
        grid(corruptions=(permuted(0.5), permuted(0.25)), seeds=1),
        grid(corruptions=(permuted(1.0), permuted(0.75)), seeds=1),
    )
    path = write(tmp_path / "store", MadeUp(specs=[*half, *whole], effects=EFFECTS))
    second_sweep(path, "half", half)
    second_sweep(path, "whole", whole)
    with pytest.raises(UserError, match="no arm in common"):
        compare(path, "half", "whole")


def test_lines_say_every_arm(two):
    found = compare(two, "demo", "other")
    text = "\n".join(difference_lines(found))
    assert text.count("\narm ") == len(found.arms) + len(found.only_a)
    assert text.count("arm of A alone") == 1
    assert "\n".join(difference_lines(replace(found, arms=()))).count("final test accuracy") == 0
