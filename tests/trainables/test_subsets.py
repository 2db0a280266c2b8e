"""Subsets of the training split, and the synthetic set: facts, nesting, identity."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.trainables.specs import quick
from trainables.datasets import DATASETS, facts_of
from trainables.datasets.facts import DatasetFacts
from trainables.datasets.subset import stratified_order
from trainables.registry import load
from trainables.seeding import uniforms
from trainables.spec import canonical_json, parse_spec, trial_id


def arrays_of(name, **parameters):
    choice = DATASETS[name].params(name=name, **parameters)
    return facts_of(choice), load(DATASETS[name])(choice)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=6), st.integers(0, 100))
def test_every_beginning_keeps_the_shares_of_the_classes(sizes, share):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    order = stratified_order(labels, uniforms(0, "x", np.arange(len(labels))))
    assert sorted(order) == list(range(len(labels)))
    begun = np.bincount(labels[order[: len(labels) * share // 100]], minlength=len(sizes))
    wanted = np.array(sizes) * begun.sum() / len(labels)
    assert (np.abs(begun - wanted) <= len(sizes)).all()


@pytest.mark.parametrize("name", ["digits", "mnist-5k", "mnist", "cifar10"])
def test_a_smaller_subset_begins_a_larger_one(name, small_downloads):
    facts, small = arrays_of(name, train_examples=20)
    _, large = arrays_of(name, train_examples=31)
    _, whole = arrays_of(name)
    assert facts.train == len(small.train_x) == len(small.train_y) == 20
    assert facts.test == len(small.test_x) == len(whole.test_x)
    np.testing.assert_array_equal(large.train_x[:20], small.train_x)
    np.testing.assert_array_equal(large.train_y[:20], small.train_y)
    assert (np.bincount(small.train_y) == 2).all() or name == "digits"


def test_a_subset_is_another_trial_and_its_size_is_known_everywhere():
    spec = quick(dataset={"name": "digits", "train_examples": 400})
    assert trial_id(spec) != trial_id(quick())
    assert trial_id(quick(dataset={"name": "digits", "train_examples": None})) == trial_id(quick())
    assert (spec.steps_per_epoch, spec.dataset_facts.train) == (8, 400)
    with pytest.raises(ValidationError, match="batch_size 50 is larger than the 40 training examples"):
        quick(dataset={"name": "digits", "train_examples": 40})
    with pytest.raises(ValidationError, match="train_examples 1401 is more than the 1400 of digits"):
        quick(dataset={"name": "digits", "train_examples": 1401})


CASES = [
    {"classes": [1, 4, 9]},
    {"classes": [0, 2], "train_examples": 31},
    {"balance": "equal"},
    {"balance": "equal", "train_examples": 200},
    {"imbalance": 10},
    {"imbalance": 3.5, "classes": [2, 3, 5, 7], "balance": "equal", "train_examples": 90},
]


@pytest.mark.parametrize("name", ["digits", "mnist-5k", "mnist"])
@pytest.mark.parametrize("parameters", CASES, ids=str)
def test_a_subset_is_what_its_facts_say_and_holds_the_original_images(name, parameters, small_downloads):
    parameters = {**parameters, "imbalance": 2} if name == "mnist" and "imbalance" in parameters else parameters
    if name == "mnist":
        parameters = {key: value for key, value in parameters.items() if key != "train_examples"}
    facts, arrays = arrays_of(name, **parameters)
    _, whole = arrays_of(name)
    labels = parameters.get("classes", range(10))
    assert (facts.classes, facts.train, facts.test) == (len(labels), len(arrays.train_y), len(arrays.test_y))
    assert set(arrays.train_y) == set(arrays.test_y) == set(range(len(labels)))
    for x, y, all_x, all_y in (
        (arrays.train_x, arrays.train_y, whole.train_x, whole.train_y),
        (arrays.test_x, arrays.test_y, whole.test_x, whole.test_y),
    ):
        assert (x.dtype, y.dtype, len(x)) == (np.float32, np.int64, len(y))
        for c, label in enumerate(labels):
            known = {image.tobytes() for image in all_x[all_y == label]}
            assert {image.tobytes() for image in x[y == c]} <= known
    assert len(arrays.test_y) == np.isin(whole.test_y, labels).sum()


def counts_of(name, **parameters):
    return np.bincount(arrays_of(name, **parameters)[1].train_y).tolist()


def test_an_imbalance_is_the_long_tail_of_cui():
    """n r^(-c / 9), rounded down: the first class has r times as many as the last."""
    assert counts_of("mnist-5k", imbalance=100) == [400, 239, 143, 86, 51, 30, 18, 11, 6, 4]
    assert counts_of("digits", balance="equal") == [135] * 10
    assert counts_of("digits", classes=[0, 1, 2], imbalance=4) == [138, 71, 34]
    assert counts_of("digits", classes=[0, 1, 2], balance="equal", imbalance=4) == [137, 68, 34]


def test_equal_shares_stay_equal_in_every_number_of_examples():
    for count in (20, 205, 1350):
        counts = counts_of("digits", balance="equal", train_examples=count)
        assert sum(counts) == count
        assert max(counts) - min(counts) <= 1


@settings(max_examples=10)
@given(st.floats(1, 100), st.floats(1, 100))
def test_a_longer_tail_is_part_of_a_shorter_one(a, b):
    short, long = (arrays_of("digits", imbalance=r)[1] for r in sorted((a, b)))
    images = {image.tobytes() for image in short.train_x}
    assert all(image.tobytes() in images for image in long.train_x)


def test_without_a_number_examples_keep_their_order():
    _, whole = arrays_of("digits")
    _, some = arrays_of("digits", classes=[3, 8])
    np.testing.assert_array_equal(some.train_x, whole.train_x[np.isin(whole.train_y, [3, 8])])
    assert arrays_of("mnist-5k")[1].train_x is arrays_of("mnist-5k", balance="equal", imbalance=1)[1].train_x


def test_facts_follow_and_defaults_are_left_out():
    spec = quick(dataset={"name": "digits", "classes": [0, 1], "resize": 12}, model="lenet", measure={"probe": None})
    assert spec.dataset_facts == DatasetFacts((1, 12, 12), 2, 280, 80)
    assert '"dataset":{"classes":[0,1],"name":"digits","resize":12}' in canonical_json(spec)
    assert parse_spec(canonical_json(spec)) == spec
    written = {"name": "digits", "balance": "as-is", "imbalance": 1, "classes": None, "resize": None}
    assert trial_id(quick(dataset=written)) == trial_id(quick())


MUST_REFUSE = {
    "one class": ({"classes": [3]}, "at least 2 items"),
    "no class": ({"classes": []}, "at least 2 items"),
    "a class twice": ({"classes": [1, 1, 2]}, r"classes \[1, 1, 2\] must be ascending, each once; write \[1, 2\]"),
    "classes out of order": ({"classes": [2, 1]}, r"write \[1, 2\]"),
    "a class it lacks": ({"classes": [1, 10]}, "there is no class 10 in digits; it has 0 to 9"),
    "a negative class": ({"classes": [-1, 2]}, "greater than or equal to 0"),
    "a class by name": ({"classes": ["one", "two"]}, "valid integer"),
    "unknown balance": ({"balance": "fair"}, "'as-is' or 'equal'"),
    "imbalance below one": ({"imbalance": 0.5}, "greater than or equal to 1"),
    "imbalance without end": ({"imbalance": float("inf")}, "finite number"),
    "text for an imbalance": ({"imbalance": "10"}, "valid number"),
    "an empty tail": ({"imbalance": 1000}, "imbalance 1000 leaves no training example of class 7 of 10"),
    "more than the classes have": (
        {"classes": [0, 1], "train_examples": 281},
        "train_examples 281 is more than the 280 of digits that are left; leave it out",
    ),
    "more than equal shares": ({"balance": "equal", "train_examples": 1351}, "more than the 1350 of digits"),
    "no pixels": ({"resize": 0}, "greater than or equal to 1"),
    "half a pixel": ({"resize": 12.5}, "valid integer"),
}


@pytest.mark.parametrize("case", MUST_REFUSE)
def test_a_subset_that_cannot_be_is_refused(case):
    parameters, message = MUST_REFUSE[case]
    with pytest.raises(ValidationError, match=message):
        quick(dataset={"name": "digits", **parameters})


def test_clusters_are_what_their_parameters_say():
    parameters = {"classes": 3, "features": 4, "train": 30, "test": 6, "spread": 0.01}
    facts, arrays = arrays_of("gaussian-clusters", **parameters)
    assert (facts.shape, facts.classes, facts.train, facts.test) == ((4,), 3, 30, 6)
    assert arrays.train_x.shape == (30, 4)
    centres = np.stack([arrays.train_x[arrays.train_y == label].mean(0) for label in range(3)])
    nearest = ((arrays.test_x[:, None] - centres) ** 2).sum(2).argmin(1)
    assert (nearest == arrays.test_y).all()
    assert np.abs(arrays.test_x - centres[arrays.test_y]).max() < 0.06


def test_clusters_have_the_spread_asked_for():
    _, arrays = arrays_of("gaussian-clusters", classes=2, features=50, train=2000, spread=3.0)
    inside = arrays.train_x[arrays.train_y == 0]
    assert inside.std(0).mean() == pytest.approx(3.0, rel=0.02)


def test_larger_clusters_begin_with_smaller_ones_and_share_the_test_split():
    _, small = arrays_of("gaussian-clusters", train=100)
    _, large = arrays_of("gaussian-clusters", train=300)
    _, other = arrays_of("gaussian-clusters", train=100, data_seed=1)
    np.testing.assert_array_equal(large.train_x[:100], small.train_x)
    np.testing.assert_array_equal(large.test_x, small.test_x)
    assert (small.train_x != other.train_x).all()


def test_the_data_seed_is_identity_and_the_trial_seed_does_not_touch_the_data():
    clusters = {"name": "gaussian-clusters", "train": 400}
    ids = {trial_id(quick(dataset=clusters | {"data_seed": n})) for n in range(2)}
    assert len(ids) == 2
    assert '"dataset":{"name":"gaussian-clusters","train":400}' in canonical_json(quick(dataset=clusters))
