"""Data sets, corruptions, streams, schedules and losses."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.trainables.photos import write_classes
from tests.trainables.problems import CE, SE
from trainables import seeding
from trainables.contracts.base import subject_of
from trainables.contracts.datasets import DatasetContract
from trainables.corruptions import CORRUPTIONS
from trainables.datasets import DATASETS, facts_of
from trainables.datasets.arrays import Arrays, digest, stratified_split
from trainables.datasets.lazy import Lazy
from trainables.losses.functions import predictions
from trainables.registry import load
from trainables.schedules import Every, steps_of


@pytest.mark.parametrize("name", DATASETS.builtin)
def test_a_data_set_is_what_its_facts_say(name, small_downloads):
    entry = DATASETS[name]
    given = {"path": str(write_classes(small_downloads / "photos", {"a": 5, "b": 9})), "size": 9}
    choice = entry.params.model_validate({"name": name, **(given if name == "image-folder" else {})})
    facts = facts_of(choice)
    first, again = (load(entry)(choice) for _ in range(2))
    for x, y, count in (
        (first.train_x, first.train_y, facts.train),
        (first.test_x, first.test_y, facts.test),
    ):
        assert x.shape == (count, *facts.shape)
        assert x.dtype == np.float32
        assert y.shape == (count,)
        assert y.dtype == np.int64
        assert set(y) <= set(range(facts.classes))
        values = x.take(range(len(x))) if isinstance(x, Lazy) else x
        assert np.isfinite(values).all()
        assert len(facts.shape) < 3 or (values.min() >= 0 and values.max() <= 1)
    assert digest(first.train_x, first.test_y) == digest(again.train_x, again.test_y)


class TestDatasets(DatasetContract):
    """Two that are always there, small."""

    subjects = {
        "digits": subject_of(DATASETS["digits"], {"train_examples": 120}),
        "gaussian-clusters": subject_of(DATASETS["gaussian-clusters"], {"train": 120, "test": 30}),
    }


def test_mnist_5k_is_split_evenly_over_classes():
    entry = DATASETS["mnist-5k"]
    arrays = load(entry)(entry.params(name="mnist-5k"))
    assert (np.bincount(arrays.train_y) == 400).all()
    assert (np.bincount(arrays.test_y) == 100).all()


@given(st.lists(st.integers(3, 30), min_size=1, max_size=5))
def test_a_split_takes_every_example_once_even_from_sorted_data(sizes):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    train, test = stratified_split(labels, dict.fromkeys(range(len(sizes)), 2))
    assert sorted([*train, *test]) == list(range(len(labels)))
    assert (np.bincount(labels[test]) == 2).all()


LABELS = np.repeat(np.arange(10), 60)


@dataclass(frozen=True)
class Labels:
    given: np.ndarray
    selected: np.ndarray


def corrupted(name, fraction, seed=0, labels=LABELS):
    entry = CORRUPTIONS[name]
    choice = entry.params(name=name) if name == "none" else entry.params(name=name, fraction=fraction)
    images = np.zeros((len(labels), 1, 1, 1), dtype=np.float32)
    found = load(entry)(choice, Arrays(images, labels, images[:1], labels[:1]), 10, seed)
    assert found.arrays.train_x is images
    return Labels(found.arrays.train_y, found.selected)


@pytest.mark.parametrize("name", ["none", "permuted-labels", "uniform-labels"])
def test_a_corruption_depends_on_the_seed_alone_and_spares_its_input(name):
    before = LABELS.copy()
    first, again, other = corrupted(name, 0.5), corrupted(name, 0.5), corrupted(name, 0.5, seed=1)
    assert (first.given == again.given).all()
    assert (first.selected == again.selected).all()
    assert name == "none" or (first.given != other.given).any()
    assert (before == LABELS).all()
    assert (first.given[~first.selected] == LABELS[~first.selected]).all()


@given(st.sampled_from(["permuted-labels", "uniform-labels"]), st.floats(0, 1), st.floats(0, 1), st.integers(0, 5))
def test_selected_sets_nest(name, a, b, seed):
    small, large = (corrupted(name, f, seed).selected for f in sorted((a, b)))
    assert (~small | large).all()


@given(st.floats(0, 1), st.integers(0, 5))
def test_permuting_keeps_class_totals(fraction, seed):
    assert (np.bincount(corrupted("permuted-labels", fraction, seed).given) == 60).all()


@given(st.floats(0, 1), st.floats(0, 1))
def test_redrawn_labels_nest(a, b):
    small, large = (corrupted("uniform-labels", f) for f in sorted((a, b)))
    assert (small.given[small.selected] == large.given[small.selected]).all()


def test_permuting_follows_the_inside_out_shuffle():
    """Replays the rule in words: ascending u, the n-th swaps with a position drawn uniformly from 0..n."""
    u = seeding.uniforms(3, "corruption/select", np.arange(600))
    v = seeding.uniforms(3, "corruption/permute", np.arange(600))
    labels, walked = list(LABELS), []
    for i in sorted((i for i in range(600) if u[i] < 0.3), key=lambda i: u[i]):
        walked.append(i)
        j = walked[int(v[i] * len(walked))]
        labels[i], labels[j] = labels[j], labels[i]
    assert corrupted("permuted-labels", 0.3, 3).given.tolist() == labels


def test_a_permutation_is_uniform():
    labels = np.array([0, 1, 2])
    orders = [tuple(corrupted("permuted-labels", 1.0, seed, labels).given) for seed in range(1200)]
    counts = [orders.count(o) for o in set(orders)]
    assert len(counts) == 6
    assert max(counts) < 260
    assert min(counts) > 145


def test_everything_is_selected_at_one_and_nothing_at_zero():
    assert corrupted("uniform-labels", 1.0).selected.all()
    assert not corrupted("uniform-labels", 0.0).selected.any()


def test_draws_of_an_example_do_not_depend_on_the_others_asked_for():
    some, more = np.array([3, 8]), np.arange(50)
    assert (seeding.uniforms(1, "x", some) == seeding.uniforms(1, "x", more)[some]).all()
    assert (seeding.uniforms(1, "x", some) != seeding.uniforms(1, "y", some)).all()
    assert (seeding.uniforms(1, "x", some) != seeding.uniforms(2, "x", some)).all()


def test_a_torch_stream_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    with seeding.torch_stream(3, "init"):
        first = torch.rand(4)
    with seeding.torch_stream(3, "init"):
        again = torch.rand(4)
    assert torch.equal(first, again)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    ("schedule", "last", "steps"),
    [
        ("log", 0, {0}),
        ("log", 250, {*range(10), *range(10, 100, 10), 100, 200, 250}),
        ("1-2-5", 250, {0, 1, 2, 5, 10, 20, 50, 100, 200, 250}),
        (Every(every=4), 10, {0, 4, 8, 10}),
        (("1-2-5", Every(every=6)), 13, {0, 1, 2, 5, 6, 10, 12, 13}),
    ],
)
def test_schedules(schedule, last, steps):
    assert steps_of(schedule, last) == steps


def test_losses_are_per_example_and_in_formula():
    outputs, labels = torch.randn(5, 3, dtype=torch.float64), torch.tensor([0, 1, 2, 0, 1])
    by_hand = [-torch.log(torch.exp(o[y]) / torch.exp(o).sum()) for o, y in zip(outputs, labels, strict=True)]
    torch.testing.assert_close(CE(outputs, labels), torch.stack(by_hand))
    one_hot = torch.eye(3, dtype=torch.float64)[labels]
    torch.testing.assert_close(SE(outputs, labels), 0.5 * ((outputs - one_hot) ** 2).sum(1))
    single = torch.tensor([[0.5], [-2.0], [0.0]])
    torch.testing.assert_close(SE(single, torch.tensor([1, 0, 1])), torch.tensor([0.125, 0.5, 0.5]))
    assert predictions(single).tolist() == [1, 0, -1]
