from math import prod
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import UserError
from orchestrator.load import builtin_sweeps, parse_sweep
from trainables.spec import TrialSpec, trial_id

FIXED = {
    "dataset": "digits",
    "model": {"name": "mlp", "widths": [4]},
    "optimizer": {"name": "sgd", "lr": 0.1},
    "batch_size": 50,
    "epochs": 1,
    "seed": 0,
}
VALUES: dict[str, list[Any]] = {
    "seed": [0, 1, 2, 3],
    "batch_size": [10, 20, 50],
    "epochs": [1, 2, 3],
    "aggregator": ["mean", "median-of-3", {"name": "winsorized", "level": 20}],
    "corruption": ["none", {"name": "permuted-labels", "fraction": 0.5}],
    "model": [{"name": "mlp", "widths": []}, {"name": "mlp", "widths": [3]}],
}


def specs_of(**parts: Any) -> list[TrialSpec]:
    said = {*parts.get("axes", {}), *(name for group in parts.get("zip", []) for name in group)}
    fixed = {name: value for name, value in FIXED.items() if name not in said}
    text = yaml.safe_dump({"name": "s", "fixed": fixed, **parts}, sort_keys=False)
    return list(parse_sweep(text, "s.yaml").specs.values())


@st.composite
def axes(draw: st.DrawFn) -> dict[str, list[Any]]:
    names = draw(st.lists(st.sampled_from(sorted(VALUES)), unique=True, min_size=1, max_size=3))
    return {name: VALUES[name][: draw(st.integers(1, len(VALUES[name])))] for name in names}


@given(axes())
def test_product_has_its_size_and_order(axes: dict[str, list[Any]]) -> None:
    specs = specs_of(axes=axes)
    ids = [trial_id(spec) for spec in specs]
    assert len(specs) == prod(len(values) for values in axes.values())
    assert len(set(ids)) == len(ids)
    assert [trial_id(spec) for spec in specs_of(axes=axes)] == ids
    # The first axis varies slowest.
    first = next(iter(axes))
    block = len(specs) // len(axes[first])
    assert len({getattr(spec, first).__repr__() for spec in specs[:block]}) == 1


@given(axes())
def test_another_order_of_axes_is_the_same_set(axes: dict[str, list[Any]]) -> None:
    turned = dict(reversed(axes.items()))
    assert {trial_id(s) for s in specs_of(axes=axes)} == {trial_id(s) for s in specs_of(axes=turned)}


def test_repeats_stand_once() -> None:
    assert [spec.seed for spec in specs_of(axes={"seed": [3, 1, 3]})] == [3, 1]
    # An explicit default is the default.
    models = [{"name": "mlp", "widths": [4], "bias": True}, {"name": "mlp", "widths": [4]}]
    assert len(specs_of(axes={"model": models})) == 1


def test_zip_moves_together_after_the_axes() -> None:
    specs = specs_of(axes={"seed": {"range": [0, 2]}}, zip=[{"batch_size": [10, 20], "epochs": [1, 2]}])
    assert [(s.seed, s.batch_size, s.epochs) for s in specs] == [(0, 10, 1), (0, 20, 2), (1, 10, 1), (1, 20, 2)]


def test_exclude_is_a_partial_match() -> None:
    aggregators = ["mean", {"name": "winsorized", "level": 10}, {"name": "winsorized", "level": 20}]
    axes = {"aggregator": aggregators, "seed": [0, 1, 2]}
    by_name = specs_of(axes=axes, exclude=[{"aggregator": "winsorized", "seed": [0, 1]}])
    assert [(s.aggregator.name, s.seed) for s in by_name] == [("mean", k) for k in range(3)] + [("winsorized", 2)] * 2
    by_level = specs_of(axes=axes, exclude=[{"aggregator": {"level": 10}}])
    assert len(by_level) == 6


def test_include_stands_on_fixed_single_axes_and_measure() -> None:
    specs = specs_of(
        axes={"batch_size": [20], "seed": [0, 1]},
        measure={"online": {"every": 7}, "probe": {"examples": 50}},
        include=[
            {"seed": 5},
            {"axes": {"seed": [6, 7]}, "epochs": 2, "measure": {"probe": None}},
            {"fixed": {"batch_size": 10}, "seed": 8},
        ],
    )
    assert [(s.batch_size, s.seed, s.epochs) for s in specs[2:]] == [(20, 5, 1), (20, 6, 2), (20, 7, 2), (10, 8, 1)]
    assert specs[2].measure == specs[0].measure
    assert specs[3].measure.probe is None
    assert specs[3].measure.online == specs[0].measure.online


def test_include_alone_needs_no_axes() -> None:
    assert len(specs_of(include=[{"seed": 4}, {"seed": 5}])) == 2


def test_include_is_not_excluded_and_must_be_complete() -> None:
    assert len(specs_of(axes={"seed": [0, 1]}, exclude=[{"seed": 1}], include=[{"seed": 1}])) == 2
    with pytest.raises(UserError, match=r"include\[0\]: nothing says 'seed'"):
        specs_of(axes={"seed": [0, 1]}, include=[{"epochs": 3}])


def test_too_many_trials_are_refused_before_they_are_made() -> None:
    with pytest.raises(UserError, match="they make 10000000000 trials"):
        specs_of(axes={"seed": {"range": [0, 100_000]}, "epochs": {"range": [1, 100_001]}})


@pytest.mark.parametrize("name", builtin_sweeps())
def test_built_in_sweeps_are_whole(name: str) -> None:
    text = builtin_sweeps()[name]
    loaded = parse_sweep(text, name)
    assert loaded.name == name
    for word in ("Question:", "Prediction:", "Command:", "Cost:"):
        assert word in text


def test_the_demo_is_the_agreed_one() -> None:
    specs = parse_sweep(builtin_sweeps()["demo"], "demo").specs.values()
    assert len(specs) == 48
    assert sum(spec.model.name == "lenet" for spec in specs) == 12
