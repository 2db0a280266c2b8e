"""The contract of every corruption: from the seed alone, input spared, nothing changed outside the selection."""

from dataclasses import fields
from pathlib import Path
from typing import ClassVar

import numpy as np

from trainables.contracts.base import QUICK, Contract, Subject, check_trial, registered
from trainables.corruptions import CORRUPTIONS
from trainables.corruptions.interface import Corrupted
from trainables.datasets.arrays import Arrays, digest, read_only
from trainables.registry import load
from trainables.spec import TrialSpec


def _images(count: int) -> np.ndarray:
    scales = np.array([1.0, 0.5, 0.2])[:, None, None]
    return (np.random.default_rng(count).random((count, 3, 6, 5)) * scales).astype(np.float32)


ARRAYS = read_only(Arrays(_images(120), np.arange(120) % 10, _images(20), np.arange(20) % 10))
"""Made-up images with three channels, of ten classes; writing to them raises."""


class CorruptionContract(Contract):
    """changes: whether it does anything; of images: whether its trial needs them."""

    changes: ClassVar[bool] = True
    of_images: ClassVar[bool] = False

    def test_it_depends_on_the_seed_alone_and_spares_what_it_is_given(self, subject: Subject) -> None:
        before = sum_of(ARRAYS)
        first, again, other = (corrupted(subject, seed) for seed in (0, 0, 1))
        assert sum_of(first.arrays) == sum_of(again.arrays)
        assert (first.selected == again.selected).all()
        assert sum_of(ARRAYS) == before
        if self.changes and subject.name != "none":
            assert sum_of(first.arrays) != sum_of(other.arrays)

    def test_nothing_else_than_the_selected_training_examples_changes(self, subject: Subject) -> None:
        found = corrupted(subject, 0)
        kept = ~found.selected
        np.testing.assert_array_equal(np.asarray(found.arrays.train_x)[kept], np.asarray(ARRAYS.train_x)[kept])
        np.testing.assert_array_equal(found.arrays.train_y[kept], ARRAYS.train_y[kept])
        np.testing.assert_array_equal(found.arrays.test_y, ARRAYS.test_y)
        for field in fields(Arrays):
            old, new = (getattr(arrays, field.name) for arrays in (ARRAYS, found.arrays))
            assert (new.dtype, new.shape) == (old.dtype, old.shape)

    def test_a_trial_runs_and_resumes(self, subject: Subject, tmp_path: Path) -> None:
        chosen = subject.choice.model_dump(mode="json", exclude_defaults=True)
        data = {"dataset": {"name": "digits", "train_examples": 120}} if self.of_images else {}
        with registered(CORRUPTIONS, subject):
            check_trial(TrialSpec.model_validate({**QUICK, **data, "corruption": chosen}), tmp_path)


def corrupted(subject: Subject, seed: int) -> Corrupted:
    """The made-up images under this corruption."""
    found: Corrupted = load(subject.entry)(subject.choice, ARRAYS, 10, seed)
    return found


def sum_of(arrays: Arrays) -> str:
    """A digest of all four arrays."""
    return digest(*(getattr(arrays, field.name) for field in fields(arrays)))
