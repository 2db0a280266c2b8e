"""Images at another size, against a loop over pixels in float64."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trainables.specs import quick
from trainables.build import build_setting
from trainables.datasets import DATASETS
from trainables.datasets.arrays import Arrays
from trainables.datasets.resize import bilinear, resized
from trainables.registry import load

GENERATOR = np.random.default_rng(2)


def triangle(image, size):
    """Each new pixel: the mean of the old ones under a triangle around its centre, as wide as the larger pixel."""
    weights = []
    for old in image.shape[1:]:
        scale = old / size
        reach = max(scale, 1.0)
        rows = np.zeros((size, old))
        for i in range(size):
            for j in range(old):
                rows[i, j] = max(0.0, 1.0 - abs((j + 0.5) - (i + 0.5) * scale) / reach)
        weights.append(rows / rows.sum(1, keepdims=True))
    return np.einsum("ij,cjk,lk->cil", weights[0], image.astype(np.float64), weights[1])


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 25))
def test_pixels_are_means_under_a_triangle(height, width, size):
    image = GENERATOR.random((2, height, width)).astype(np.float32)
    np.testing.assert_allclose(bilinear(image, size), triangle(image, size), atol=2e-6)


def test_the_size_it_has_changes_nothing_and_a_constant_stays():
    images = GENERATOR.random((4, 1, 6, 6)).astype(np.float32)
    arrays = Arrays(images, np.zeros(4, dtype=np.int64), images, np.zeros(4, dtype=np.int64))
    assert resized(arrays, 6) is arrays
    assert resized(arrays, None) is arrays
    np.testing.assert_array_equal(bilinear(images[0], 6), images[0])
    np.testing.assert_allclose(bilinear(np.full((3, 5, 5), 0.3, dtype=np.float32), 17), 0.3, rtol=1e-6)


def test_a_data_set_is_resized_after_its_subset():
    entry = DATASETS["digits"]
    whole, large = (
        load(entry)(entry.params(name="digits", classes=(2, 3), train_examples=20, resize=r)) for r in (None, 16)
    )
    assert large.train_x.shape == (20, 1, 16, 16)
    np.testing.assert_array_equal(large.train_x.read(7), bilinear(whole.train_x[7], 16))
    np.testing.assert_array_equal(large.train_y, whole.train_y)
    assert 0 <= large.train_x.take(range(20)).min() <= large.train_x.take(range(20)).max() <= 1


@pytest.mark.parametrize("model", ["vgg13", "resnet18"])
def test_networks_for_larger_images_take_small_ones_enlarged(model):
    spec = quick(
        dataset={"name": "digits", "resize": 32, "train_examples": 60},
        model={"name": model, "width": 4},
        batch_size=6,
        measure={"probe": None},
    )
    setting = build_setting(spec, "cpu")
    assert setting.train.x.shape == (60, 1, 32, 32)
    assert np.isfinite(setting.train_step(0).loss)
