"""Specs: identity that never moves, and refusal of what cannot be run."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.trainables.specs import QUICK, quick
from trainables.spec import REGISTRIES, TrialSpec, canonical_json, parse_spec, trial_id

MINIMAL = {
    "dataset": "mnist-5k",
    "model": "lenet",
    "optimizer": {"name": "sgd", "lr": 0.1},
    "batch_size": 32,
    "epochs": 1,
    "seed": 0,
}

PINNED = {
    "minimal": (MINIMAL, "58de732fb1f3"),
    "fused": ({**MINIMAL, "engine": "fused"}, "0ac57b471dcd"),
    "winsorized": ({**MINIMAL, "aggregator": {"name": "winsorized", "level": 3}}, "0b6f3d0d5a5b"),
    "half of the labels": (
        {**MINIMAL, "corruption": {"name": "permuted-labels", "fraction": 0.5}, "model": "mlp", "seed": 7},
        "7722cd52c940",
    ),
    "linear example": (
        {
            **MINIMAL,
            "dataset": {"name": "linear-example", "world": "random"},
            "model": {"name": "mlp", "widths": [], "bias": False},
            "loss": "squared-error",
            "init": "zeros",
            "batch_size": 4,
            "measure": {"probe": {"examples": "all"}},
        },
        "cb9919885e7b",
    ),
    "every field": (
        QUICK | {"dtype": "float64", "loss": "squared-error", "aggregator": "rolling-mean-of-3"},
        "b416578462da",
    ),
}
"""Other people's stores hold these ids: a change renames every trial ever run and needs a new spec version."""


@pytest.mark.parametrize("case", PINNED)
def test_released_ids_never_change(case):
    content, expected = PINNED[case]
    assert trial_id(TrialSpec.model_validate(content)) == expected


def test_the_canonical_form_leaves_out_defaults_but_not_the_version():
    spec = TrialSpec.model_validate(MINIMAL)
    assert canonical_json(spec) == (
        '{"batch_size":32,"dataset":{"name":"mnist-5k"},"epochs":1,"model":{"name":"lenet"},'
        '"optimizer":{"lr":0.1,"name":"sgd"},"seed":0,"version":1}'
    )


def test_a_default_written_out_is_the_same_trial():
    written = MINIMAL | {
        "aggregator": "mean",
        "corruption": {"name": "none"},
        "measure": {"online": {"every": 1}},
        "dtype": "float32",
    }
    assert trial_id(TrialSpec.model_validate(written)) == trial_id(TrialSpec.model_validate(MINIMAL))
    whole = TrialSpec.model_validate(MINIMAL).model_dump(mode="json")
    assert trial_id(TrialSpec.model_validate(whole)) == trial_id(TrialSpec.model_validate(MINIMAL))


def test_choices_with_equal_parameters_stay_apart():
    ids = {
        trial_id(quick(corruption={"name": name, "fraction": 0.25})) for name in ("permuted-labels", "uniform-labels")
    }
    assert len(ids) == 2


def test_integers_and_minus_zero_are_the_floats_they_equal():
    assert trial_id(quick(optimizer={"name": "sgd", "lr": 1})) == trial_id(quick(optimizer={"name": "sgd", "lr": 1.0}))
    zero, minus = ({"name": "permuted-labels", "fraction": f} for f in (0.0, -0.0))
    assert trial_id(quick(corruption=zero)) == trial_id(quick(corruption=minus))


def test_the_id_is_the_same_in_another_process():
    code = (
        "from trainables.spec import *; from tests.trainables.specs import quick;"
        "import sys; assert 'torch' not in sys.modules; print(trial_id(quick()))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "77"}
    )
    assert found.stdout.strip() == trial_id(quick())


@given(
    lr=st.floats(1e-6, 1e3),
    fraction=st.floats(0, 1),
    seed=st.integers(0, 2**63 - 1),
    level=st.floats(4, 50),
    every=st.integers(1, 10),
)
def test_a_spec_survives_its_canonical_form(lr, fraction, seed, level, every):
    spec = quick(
        optimizer={"name": "sgd", "lr": lr},
        corruption={"name": "uniform-labels", "fraction": fraction},
        seed=seed,
        aggregator={"name": "winsorized", "level": level},
        measure={"evaluate": {"schedule": ["log", {"every": every}]}, "probe": None},
    )
    again = parse_spec(canonical_json(spec))
    assert trial_id(again) == trial_id(spec)
    assert again == spec or fraction == 0.0


MUST_REFUSE = {
    "unknown model": {"model": "lenett"},
    "unknown aggregator": {"aggregator": "medain"},
    "unknown dataset": {"dataset": "imagenet"},
    "unknown key": {"batchsize": 3},
    "unknown parameter": {"model": {"name": "mlp", "width": [3]}},
    "no name": {"model": {"widths": [3]}},
    "a list for a choice": {"model": ["mlp"]},
    "text for a number": {"epochs": "3"},
    "truth for a number": {"epochs": True},
    "truth for a real": {"optimizer": {"name": "sgd", "lr": True}},
    "fraction above one": {"corruption": {"name": "permuted-labels", "fraction": 1.5}},
    "negative fraction": {"corruption": {"name": "permuted-labels", "fraction": -0.1}},
    "not a number": {"corruption": {"name": "permuted-labels", "fraction": float("nan")}},
    "infinite rate": {"optimizer": {"name": "sgd", "lr": float("inf")}},
    "zero rate": {"optimizer": {"name": "sgd", "lr": 0}},
    "no examples in a batch": {"batch_size": 0},
    "batch larger than the data": {"batch_size": 1401},
    "probe larger than the data": {"measure": {"probe": {"examples": 1401}}},
    "a level that clips nothing": {"aggregator": {"name": "winsorized", "level": 1}},
    "a level that drops nothing": {"aggregator": {"name": "trimmed-mean", "level": 1}},
    "a clip of nothing": {"aggregator": {"name": "norm-clipped", "clip": 0}},
    "a sign without size": {"aggregator": {"name": "sign-of-sum", "scale": 0}},
    "momentum of one": {"optimizer": {"name": "sgd", "lr": 0.1, "momentum": 1}},
    "negative decay": {"optimizer": {"name": "adam", "lr": 0.1, "weight_decay": -1}},
    "all of the label smoothed": {"loss": {"name": "smoothed-cross-entropy", "smoothing": 1}},
    "level above fifty": {"aggregator": {"name": "winsorized", "level": 51}},
    "thirds of two": {"aggregator": "median-of-3", "batch_size": 2},
    "lenet on tiny images": {"model": "lenet"},
    "width of zero": {"model": {"name": "mlp", "widths": [0]}},
    "no epochs": {"epochs": 0},
    "negative seed": {"seed": -1},
    "unknown schedule": {"measure": {"evaluate": {"schedule": "often"}}},
    "empty schedule": {"measure": {"evaluate": {"schedule": []}}},
    "unknown engine": {"engine": "turbo"},
    "fused in evaluation mode": {"engine": "fused", "estimator": "eval-mode"},
    "fused in groups": {"engine": "fused", "estimator": {"name": "grouped", "k": 5}},
    "unknown estimator": {"estimator": "batch"},
    "groups of one": {"estimator": {"name": "grouped", "k": 1}},
    "groups of nothing said": {"estimator": "grouped"},
    "one group in a batch": {"estimator": {"name": "grouped", "k": 26}},
    "one group in the probe": {
        "estimator": {"name": "grouped", "k": 20},
        "measure": {"online": None, "probe": {"examples": 39}},
    },
    "unknown instrument": {"measure": {"instruments": ["noise"]}},
    "an instrument twice": {"measure": {"instruments": ["noise-scale", "noise-scale"]}},
    "an instrument that is always on": {"measure": {"instruments": ["coherence"]}},
    "an instrument without a probe": {"measure": {"probe": None, "instruments": ["noise-scale"]}},
    "single examples of groups": {
        "estimator": {"name": "grouped", "k": 5},
        "measure": {"instruments": ["gradient-snr"]},
    },
    "more pairs than probed": {
        "measure": {"probe": {"examples": 100}, "instruments": [{"name": "sign-stiffness", "examples": 101}]}
    },
    "a Gram matrix of thousands": {"measure": {"instruments": [{"name": "sign-stiffness", "examples": 513}]}},
    "more held-out examples than there are": {"measure": {"instruments": ["held-out"]}},
    "a budget of nothing": {"measure": {"budget": 0}},
    "a budget that leaves no example": {"measure": {"budget": 1e-4}},
    "nowhere in weight space": {"measure": {"probe": {"at": []}}},
    "an average of one point": {"measure": {"probe": {"at": ["ema"], "ema_decay": 1}}},
    "no steps at all": {"stop": {"max_steps": 0}},
    "a target above one": {"stop": {"train_accuracy": 1.1}},
    "a loss of zero": {"stop": {"train_loss": 0}},
    "half precision": {"dtype": "bfloat16"},
    "a compiled model": {"compile": True},
    "unknown augmentation": {"augmentation": "mixup"},
    "moves of features": {"dataset": "gaussian-clusters", "augmentation": "crop-flip"},
    "another version": {"version": 2},
}


@pytest.mark.parametrize("case", MUST_REFUSE)
def test_what_cannot_be_run_is_refused(case):
    with pytest.raises(ValidationError):
        quick(**MUST_REFUSE[case])


def test_an_unknown_name_is_answered_with_the_nearest_and_all_known():
    with pytest.raises(ValidationError) as caught:
        quick(aggregator="medain-of-3")
    message = caught.value.errors()[0]["msg"]
    assert "'median-of-3'" in message
    assert all(name in message for name in REGISTRIES["aggregator"])


@pytest.mark.parametrize("content", [{"dtype": "bfloat16"}, {"compile": True}], ids=str)
def test_what_is_refused_by_name_says_why(content):
    with pytest.raises(ValidationError) as caught:
        quick(**content)
    assert "not measured" in caught.value.errors()[0]["msg"]


def test_the_budget_caps_the_examples_of_the_probe():
    measure = {"probe": {"examples": "all", "schedule": {"every": 14}}}
    assert quick(measure=measure).probe_examples == 1400
    spec = quick(measure={**measure, "budget": 0.1})
    assert spec.total_steps * spec.batch_size == 2800
    assert spec.probe_examples == 280 // 5
    both = {**measure, "probe": {**measure["probe"], "at": ["raw", "ema"]}, "budget": 0.1}
    assert quick(measure=both).probe_examples == 28
    again = {**measure, "instruments": ["group-shares"], "budget": 0.1}
    assert quick(measure=again).probe_examples == 28
    few = {**measure, "instruments": [{"name": "held-out", "examples": 20}], "budget": 0.1}
    assert quick(measure=few).probe_examples == (280 - 5 * 20) // 5


def test_an_instrument_has_the_schedule_of_the_probe_or_its_own():
    own = {"name": "gradient-snr", "schedule": {"every": 28}}
    spec = quick(measure={"probe": {"schedule": {"every": 14}}, "instruments": ["noise-scale", own]})
    assert spec.instrument_steps == {
        "noise-scale": frozenset({0, 14, 28, 42, 56}),
        "gradient-snr": frozenset({0, 28, 56}),
    }


def test_a_largest_number_of_steps_shortens_the_trial():
    assert quick(stop={"max_steps": 30}).total_steps == 30
    assert quick(stop={"max_steps": 300}).total_steps == 56


def test_a_spec_cannot_be_changed():
    with pytest.raises(ValidationError):
        quick().epochs = 3
