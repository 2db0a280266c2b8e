"""Images that do not fit in memory: the same numbers as those that do."""

import numpy as np
import pytest
import torch

from tests.trainables.photos import write_classes
from tests.trainables.specs import quick
from tests.trainables.test_trial import run, tables
from trainables.build import build_setting
from trainables.corruptions import CORRUPTIONS
from trainables.datasets import manifest
from trainables.datasets.arrays import Arrays
from trainables.datasets.folder import VARIABLE
from trainables.datasets.image_folder import _reader
from trainables.datasets.lazy import VARIABLE as MEMORY
from trainables.datasets.lazy import Lazy, fits
from trainables.inputs import Streamed, as_inputs
from trainables.registry import load


@pytest.fixture
def dataset(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "data"))
    path = write_classes(tmp_path / "photos", {"ant": 40, "bee": 40, "cat": 45})
    yield {"name": "image-folder", "path": str(path), "size": 7}
    _reader.cache_clear()
    manifest._head.cache_clear()


@pytest.fixture(params=["pictures kept", "nothing kept"])
def tight(request, monkeypatch):
    """Makes memory so tight that splits are streamed; decoded pictures, a quarter as large, are kept or not."""

    def tighten():
        _reader.cache_clear()
        monkeypatch.setattr("trainables.inputs.fits", lambda *_: False)
        if request.param == "nothing kept":
            monkeypatch.setenv(MEMORY, "0")

    return tighten


CORRUPTED = [
    {"name": "permuted-labels", "fraction": 0.5},
    {"name": "gaussian-pixels", "fraction": 0.5},
    {"name": "shuffled-pixels", "per": "image"},
    {"name": "shuffled-pixels"},
]


@pytest.mark.parametrize("corruption", CORRUPTED, ids=lambda c: f"{c['name']}-{c.get('per', '')}")
def test_rows_are_the_same_bit_for_bit(corruption, dataset, tight):
    measure = {"probe": {"examples": 60, "schedule": "1-2-5"}, "evaluate": {"schedule": "1-2-5"}}
    spec = quick(dataset=dataset, corruption=corruption, batch_size=20, measure=measure, augmentation="crop-flip")
    torch.set_num_threads(1)
    result, whole = run(spec)
    tight()
    assert isinstance(build_setting(spec, "cpu").train.x, Streamed)
    streamed_result, streamed = run(spec)
    assert streamed_result.facts == result.facts
    assert streamed_result.finals == result.finals
    for table, found in tables(streamed).items():
        assert found.num_rows > 0 or table == "instruments"
        assert found.equals(tables(whole)[table]), table


def test_enlarged_images_are_streamed_alike(monkeypatch):
    spec = quick(dataset={"name": "digits", "resize": 13, "train_examples": 100}, measure={"probe": {"examples": 50}})
    result, whole = run(spec)
    monkeypatch.setenv(MEMORY, "0")
    assert isinstance(build_setting(spec, "cpu").train.x, Streamed)
    streamed_result, streamed = run(spec)
    assert streamed_result.facts == result.facts
    for table, found in tables(streamed).items():
        assert found.equals(tables(whole)[table]), table


GENERATOR = np.random.default_rng(3)
IMAGES = GENERATOR.random((50, 3, 4, 5)).astype(np.float32)
LAZY = Lazy(lambda i: IMAGES[i], IMAGES.shape, "these", threaded=True)


@pytest.mark.parametrize("index", [slice(3, 9), slice(40, 80), slice(None), torch.tensor([4, 2, 2, 49])])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_streamed_inputs_are_indexed_like_a_tensor(index, dtype):
    streamed = Streamed(LAZY, dtype, torch.device("cpu"))
    expected = torch.tensor(IMAGES, dtype=dtype)
    assert torch.equal(streamed[index], expected[index])
    assert streamed[index].dtype == dtype
    assert len(streamed) == len(expected)
    assert streamed.device == expected.device


@pytest.mark.parametrize("choice", CORRUPTED, ids=lambda c: f"{c['name']}-{c.get('per', '')}")
def test_corruptions_change_lazy_images_as_they_change_arrays(choice):
    entry, y = CORRUPTIONS[choice["name"]], np.arange(50) % 5
    parameters = entry.params.model_validate(choice)
    test = Lazy(lambda i: IMAGES[i] / 2, IMAGES.shape, "others")
    eager = load(entry)(parameters, Arrays(IMAGES, y, IMAGES / 2, y), 5, 1)
    lazy = load(entry)(parameters, Arrays(LAZY, y, test, y), 5, 1)
    assert (eager.selected == lazy.selected).all()
    for part in ("train_x", "test_x"):
        found = getattr(lazy.arrays, part)
        assert found.shape == IMAGES.shape
        np.testing.assert_array_equal(found.take(range(50)), getattr(eager.arrays, part))


def test_identity_follows_everything_that_the_content_follows_from():
    some, order = np.array([1, 2]), np.array([2, 1])
    made = [LAZY, LAZY.pick(some), LAZY.pick(order), LAZY.map(lambda _, x: x, "a"), LAZY.map(lambda _, x: x, "b")]
    assert len({each.identity for each in made}) == len(made)
    assert LAZY.pick(some).identity == LAZY.pick(some.copy()).identity
    other = Lazy(LAZY.read, IMAGES.shape, "those")
    assert other.pick(some).identity != LAZY.pick(some).identity


def test_positions_are_of_the_set_that_is_changed():
    """The key of a change after a pick is the position in what was picked."""
    picked = LAZY.pick(np.array([7, 3])).map(lambda i, image: image + i, "add the position")
    np.testing.assert_array_equal(picked.take(range(2)), np.stack([IMAGES[7], IMAGES[3] + np.float32(1)]))


def test_the_limit_is_a_pure_function_of_size(monkeypatch):
    monkeypatch.setenv(MEMORY, "1")
    assert fits((2**18,), 4)
    assert not fits((2**18 + 1,), 4)
    monkeypatch.delenv(MEMORY)
    assert fits((2**30,), 4)
    assert not fits((2**30 + 1,), 4)
    assert isinstance(as_inputs(LAZY, torch.float32, torch.device("cpu")), torch.Tensor)


@pytest.mark.parametrize("given", ["plenty", "-1", "1.5", ""])
def test_a_limit_that_is_no_number_is_refused(given, monkeypatch):
    monkeypatch.setenv(MEMORY, given)
    with pytest.raises(ValueError, match=MEMORY):
        fits((1,), 4)
