"""Augmentations: of the training batch alone, keyed by seed, epoch and example."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from tests.trainables.specs import quick
from tests.trainables.test_trial import check_parts, run
from trainables.augmentations import AUGMENTATIONS
from trainables.build import build_setting
from trainables.registry import load
from trainables.seeding import epoch_order, uniforms

IMAGES = torch.from_numpy(np.random.default_rng(0).random((40, 3, 6, 5)).astype(np.float32)) + 1
ALL = np.arange(40)
CHOICES = [
    {"name": "none"},
    {"name": "crop-flip"},
    {"name": "crop-flip", "padding": 0},
    {"name": "crop-flip", "padding": 2, "flip": False},
]
BY_NAME = pytest.mark.parametrize("choice", CHOICES, ids=lambda c: "-".join(str(v) for v in c.values()))


def augmented(choice, x=IMAGES, index=ALL, seed=0, epoch=0):
    entry = AUGMENTATIONS[choice["name"]]
    return load(entry)(entry.params.model_validate(choice), x, index, seed, epoch)


def test_every_augmentation_is_tested():
    assert {choice["name"] for choice in CHOICES} == set(AUGMENTATIONS)


@BY_NAME
def test_an_example_looks_the_same_in_every_batch(choice):
    before, whole = IMAGES.clone(), augmented(choice)
    assert whole.shape == IMAGES.shape
    assert whole.dtype == IMAGES.dtype
    for index in (np.array([7]), np.array([39, 0, 12]), np.array([12, 12])):
        assert torch.equal(augmented(choice, IMAGES[index], index), whole[index])
    assert torch.equal(IMAGES, before)


@pytest.mark.parametrize("other", [{"seed": 1}, {"epoch": 1}])
def test_seed_and_epoch_change_what_is_seen(other):
    assert not torch.equal(augmented(CHOICES[1]), augmented(CHOICES[1], **other))
    assert torch.equal(augmented(CHOICES[1], **other), augmented(CHOICES[1], **other))


def test_nothing_to_move_and_no_mirror_is_the_identity():
    assert torch.equal(augmented({"name": "crop-flip", "padding": 0, "flip": False}), IMAGES)


def test_a_mirror_mirrors_and_about_half_are_mirrored():
    found = augmented({"name": "crop-flip", "padding": 0})
    mirrored = uniforms(0, "augmentation/0/flip", ALL) < 0.5
    assert 8 < mirrored.sum() < 32
    for image, original, flip in zip(found, IMAGES, mirrored, strict=True):
        assert torch.equal(image, original[:, :, range(4, -1, -1)] if flip else original)


@pytest.mark.parametrize("flip", [True, False])
def test_what_comes_out_is_a_window_of_the_padded_image(flip):
    """Against a slow loop over places."""
    found = augmented({"name": "crop-flip", "padding": 2, "flip": flip})
    places = set()
    for image, original in zip(found.numpy(), IMAGES.numpy(), strict=True):
        padded = np.pad(original, ((0, 0), (2, 2), (2, 2)))
        fitting = [
            (top, left, mirror)
            for top in range(5)
            for left in range(5)
            for mirror in (False, True)
            if np.array_equal(image[:, :, ::-1] if mirror else image, padded[:, top : top + 6, left : left + 5])
        ]
        assert len(fitting) == 1
        assert flip or not fitting[0][2]
        places.add(fitting[0][:2])
    assert len(places) > 12
    assert {top for top, _ in places} == {left for _, left in places} == set(range(5))


def test_only_the_training_batch_is_augmented():
    plain, moved = (build_setting(quick(augmentation=a), "cpu") for a in ("none", CHOICES[3]))
    assert torch.equal(plain.train.x, moved.train.x)
    assert plain.evaluator.rows(0) == moved.evaluator.rows(0)
    for step in (0, 30):
        epoch, position = divmod(step, 28)
        index = epoch_order(0, epoch, 1400)[position * 50 : position * 50 + 50]
        assert torch.equal(plain._batch(step)[0], plain.train.x[index])
        assert torch.equal(moved._batch(step)[0], augmented(CHOICES[3], plain.train.x[index], index, 0, epoch))
        assert torch.equal(plain._batch(step)[1], moved._batch(step)[1])


def test_probe_rows_at_the_first_step_are_those_without_augmentation():
    rows = [run(quick(augmentation=a, epochs=1))[1].rows["layers"] for a in ("none", CHOICES[3])]
    first, other = ([row for row in each if row["source"] == "probe" and row["step"] == 0] for each in rows)
    assert first == other
    assert rows[0] != rows[1]


def test_an_augmented_trial_runs_in_parts_as_in_full(tmp_path):
    check_parts(quick(augmentation={"name": "crop-flip", "padding": 1}), tmp_path)


MUST_REFUSE = {
    "features": ({"dataset": "gaussian-clusters", "augmentation": "crop-flip"}, "crop-flip needs images"),
    "out of sight": ({"augmentation": {"name": "crop-flip", "padding": 8}}, "use at most 7"),
    "negative padding": ({"augmentation": {"name": "crop-flip", "padding": -1}}, "greater than or equal to 0"),
    "text for a flip": ({"augmentation": {"name": "crop-flip", "flip": "yes"}}, "valid boolean"),
}


@pytest.mark.parametrize("case", MUST_REFUSE)
def test_what_cannot_be_augmented_is_refused(case):
    overrides, message = MUST_REFUSE[case]
    with pytest.raises(ValidationError, match=message):
        quick(**overrides)
