"""Subsets of the training split, and the synthetic set: facts, nesting, identity."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.trainables.specs import quick
from trainables.datasets import DATASETS, facts_of
from trainables.datasets.subset import stratified_order
from trainables.registry import load
from trainables.spec import canonical_json, trial_id


def arrays_of(name, **parameters):
    choice = DATASETS[name].params(name=name, **parameters)
    return facts_of(choice), load(DATASETS[name])(choice)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=6), st.integers(0, 100))
def test_every_beginning_keeps_the_shares_of_the_classes(sizes, share):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    order = stratified_order(labels)
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
