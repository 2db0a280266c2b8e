"""The contract of every data set: what its facts say, the same at every load."""

from pathlib import Path

import numpy as np

from trainables.contracts.base import QUICK, Contract, Subject, check_trial, registered
from trainables.datasets import DATASETS
from trainables.datasets.arrays import digest
from trainables.datasets.lazy import Lazy
from trainables.registry import load
from trainables.spec import TrialSpec


class DatasetContract(Contract):
    """Of a choice with `check`, `facts` and `load`."""

    def test_it_is_what_its_facts_say(self, subject: Subject) -> None:
        facts = subject.entry.facts(subject.choice) if callable(subject.entry.facts) else subject.entry.facts
        found = load(subject.entry)(subject.choice)
        for x, y, count in ((found.train_x, found.train_y, facts.train), (found.test_x, found.test_y, facts.test)):
            assert x.shape == (count, *facts.shape)
            assert x.dtype == np.float32
            assert y.shape == (count,)
            assert y.dtype == np.int64
            assert set(y) <= set(range(facts.classes))
            values = x.take(range(len(x))) if isinstance(x, Lazy) else x
            assert np.isfinite(values).all()
            assert len(facts.shape) < 3 or (values.min() >= 0 and values.max() <= 1), "pixels are in [0, 1]"

    def test_it_is_the_same_at_every_load(self, subject: Subject) -> None:
        first, again = (load(subject.entry)(subject.choice) for _ in range(2))
        for part in ("train_x", "train_y", "test_x", "test_y"):
            assert digest(getattr(first, part)) == digest(getattr(again, part)), part

    def test_a_trial_runs_and_resumes(self, subject: Subject, tmp_path: Path) -> None:
        with registered(DATASETS, subject):
            chosen = subject.choice.model_dump(mode="json", exclude_defaults=True)
            check_trial(TrialSpec.model_validate({**QUICK, "dataset": chosen, "stop": {"max_steps": 10}}), tmp_path)
