"""Corruptions as a registry, and those of pixels: pure, repeatable, nested, with the moments asked for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.trainables.specs import quick
from trainables.build import build_setting
from trainables.contracts.base import subject_of
from trainables.contracts.corruptions import ARRAYS, CorruptionContract
from trainables.corruptions import CORRUPTIONS
from trainables.corruptions.pixels import channel_moments
from trainables.datasets.arrays import Arrays
from trainables.registry import load

EXAMPLES = {
    "none": [{}],
    "permuted-labels": [{"fraction": 0.5}],
    "uniform-labels": [{"fraction": 0.5}],
    "gaussian-pixels": [{"fraction": 0.5}, {}],
    "shuffled-pixels": [{}, {"per": "image"}],
}
CASES = [(name, parameters) for name in CORRUPTIONS.builtin for parameters in EXAMPLES.get(name, [{}])]


def corrupt(name, seed=0, arrays=ARRAYS, **parameters):
    entry = CORRUPTIONS[name]
    return load(entry)(entry.params(name=name, **parameters), arrays, 10, seed)


class TestCorruptions(CorruptionContract):
    """Trials are below."""

    subjects = {f"{name} {given}": subject_of(CORRUPTIONS[name], given) for name, given in CASES}
    test_a_trial_runs_and_resumes = None


@given(st.floats(0, 1), st.floats(0, 1), st.integers(0, 3))
def test_replaced_images_nest(a, b, seed):
    small, large = (corrupt("gaussian-pixels", seed, fraction=f) for f in sorted((a, b)))
    assert (~small.selected | large.selected).all()
    np.testing.assert_array_equal(small.arrays.train_x[small.selected], large.arrays.train_x[small.selected])


def test_pixels_and_labels_of_the_same_examples_are_selected():
    labels = corrupt("permuted-labels", fraction=0.3).selected
    assert (corrupt("gaussian-pixels", fraction=0.3).selected == labels).all()


def test_noise_has_the_moments_of_the_training_set_channel_by_channel():
    x = np.repeat(ARRAYS.train_x, 20, axis=0)
    arrays = Arrays(x, np.zeros(len(x), dtype=np.int64), ARRAYS.test_x, ARRAYS.test_y)
    noise = corrupt("gaussian-pixels", arrays=arrays).arrays.train_x
    np.testing.assert_allclose(noise.mean((0, 2, 3)), x.mean((0, 2, 3)), atol=0.01)
    np.testing.assert_allclose(noise.std((0, 2, 3)), x.std((0, 2, 3)), rtol=0.02)
    assert len(np.unique(noise[:, 0, 0, 0])) == len(noise)


def test_moments_do_not_depend_on_how_the_images_are_cut():
    x = np.repeat(ARRAYS.train_x, 20, axis=0)
    mean, deviation = channel_moments(x)
    np.testing.assert_allclose(mean, x.mean((0, 2, 3), dtype=np.float64))
    np.testing.assert_allclose(deviation, x.std((0, 2, 3), dtype=np.float64))
    assert (channel_moments(np.full((3, 2, 4, 4), 0.3, dtype=np.float32))[1] < 1e-12).all()


def test_test_images_stay_unless_all_images_share_a_permutation():
    assert corrupt("gaussian-pixels").arrays.test_x is ARRAYS.test_x
    assert corrupt("shuffled-pixels", per="image").arrays.test_x is ARRAYS.test_x


def _orders(x, original):
    """Where the pixels of each image came from, by the values of the first channel, which are all different."""
    flat, source = x[:, 0].reshape(len(x), -1), original[:, 0].reshape(len(x), -1)
    return np.array([np.argsort(a)[np.argsort(np.argsort(b))] for a, b in zip(source, flat, strict=True)])


def test_one_permutation_moves_the_pixels_of_every_image_and_all_channels():
    found = corrupt("shuffled-pixels").arrays
    orders = _orders(found.train_x, ARRAYS.train_x)
    assert (orders == orders[0]).all()
    assert sorted(orders[0]) == list(range(30))
    for x, original in ((found.train_x, ARRAYS.train_x), (found.test_x, ARRAYS.test_x)):
        np.testing.assert_array_equal(x.reshape(-1, 3, 30), original.reshape(-1, 3, 30)[:, :, orders[0]])


def test_one_permutation_an_image_keeps_its_pixels_and_differs_between_images():
    x = corrupt("shuffled-pixels", per="image").arrays.train_x
    orders = _orders(x, ARRAYS.train_x)
    assert len({tuple(order) for order in orders}) == len(orders)
    for image, original, order in zip(x, ARRAYS.train_x, orders, strict=True):
        np.testing.assert_array_equal(image.reshape(3, 30), original.reshape(3, 30)[:, order])


def test_an_image_is_shuffled_alike_in_a_larger_training_set():
    fewer = Arrays(ARRAYS.train_x[:50], ARRAYS.train_y[:50], ARRAYS.test_x, ARRAYS.test_y)
    some = corrupt("shuffled-pixels", per="image", arrays=fewer).arrays.train_x
    np.testing.assert_array_equal(corrupt("shuffled-pixels", per="image").arrays.train_x[:50], some)


@pytest.mark.parametrize("corruption", ["gaussian-pixels", "shuffled-pixels"])
def test_a_trial_sees_the_changed_images_and_no_corrupt_label(corruption):
    clean, changed = (build_setting(quick(corruption=name), "cpu") for name in ("none", corruption))
    assert changed.facts["data_sha256"] != clean.facts["data_sha256"]
    assert changed.facts["corrupt_examples"] == 0
    assert changed.selected.all()
    assert not (changed.train.x == clean.train.x).all()
    assert (changed.train.given == clean.train.given).all()
    assert (changed.evaluator.test.x == clean.evaluator.test.x).all() == (corruption == "gaussian-pixels")


@pytest.mark.parametrize("corruption", ["gaussian-pixels", "shuffled-pixels"])
def test_features_have_no_pixels(corruption):
    with pytest.raises(ValidationError, match=f"{corruption} needs images; an example of 'gaussian-clusters' is 20"):
        quick(dataset="gaussian-clusters", corruption=corruption)
