"""The contract of every instrument and metric: readings of known gradients, reasons, scaling, state."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from trainables.contracts.base import QUICK, Contract, Subject, check_trial, registered
from trainables.gradients.types import Statistics
from trainables.instruments import INSTRUMENTS
from trainables.instruments.interface import Array, Directions, Dots, Gram, HeldOutSums, Moments, Reading, State
from trainables.registry import load
from trainables.spec import TrialSpec

M, D = 8, 5
SAME = np.tile(np.array([3.0, 0.0, 4.0, 0.0, 0.0]), (M, 1))
SETS: dict[str, Array] = {
    "identical": SAME,
    "orthogonal": np.eye(M) * 3.0,
    "opposite": SAME * np.where(np.arange(M) % 2, -1.0, 1.0)[:, None],
    "nothing": np.zeros((M, D)),
}
"""Gradients of M examples, a row each."""
LABELS = np.arange(M) % 2
Key = tuple[str, str | None]


def statistics(g: Array) -> Statistics:
    """n, Q, ||S||^2 and the sum of fourth powers of the norms of rows g [n, D]."""
    norms = (g**2).sum(1)
    return Statistics(len(g), float(norms.sum()), float((g.sum(0) ** 2).sum()), float((norms**2).sum()))


def moments(g: Array) -> Moments:
    """Sums of coordinates and of their squares."""
    return Moments(len(g), torch.from_numpy(g.sum(0)), torch.from_numpy((g**2).sum(0)))


def directions(g: Array, labels: Any = LABELS) -> Directions:
    """Sums of unit rows by class."""
    norms = np.linalg.norm(g, axis=1)
    live = norms > 0
    u = g[live] / norms[live][:, None]
    sums = np.stack([u[labels[live] == c].sum(0) for c in range(labels.max() + 1)])
    return Directions(sums @ sums.T, np.bincount(labels[live], minlength=labels.max() + 1))


def dots(g: Array, corrupt: Any = LABELS == 1, step: int = 0) -> Dots:
    """Rows along their sum, every other one corrupt."""

    def worlds(count: int) -> Any:
        return np.random.default_rng(0).permuted(np.tile(corrupt, (count, 1)), axis=1)

    return Dots(g @ g.sum(0), corrupt, worlds, step)


def held_out(g: Array) -> HeldOutSums:
    """The held-out examples are the first three of the training ones."""
    s, h = g.sum(0), g[:3].sum(0)
    return HeldOutSums(len(g), 3, float(s @ s), float(s @ h), float(h @ h))


def gram(g: Array) -> Gram:
    """Dot products of rows."""
    return Gram(g @ g.T, LABELS)


GIVEN: dict[str, Any] = {
    "statistics": statistics,
    "moments": moments,
    "directions": directions,
    "dots": dots,
    "held-out": held_out,
    "gram": gram,
}
"""What an instrument is handed, as its entry's facts say, made of rows."""


class InstrumentContract(Contract):
    """powers: quantity -> power of the gradients' scale, 0 where it is not named. expected: case of SETS -> quantity ->
    value, None where it is undefined; give it: it is the first thing that a reader looks for."""

    powers: ClassVar[Mapping[str, int]] = {}
    expected: ClassVar[Mapping[str, Mapping[str, float | None]]] = {}

    def test_it_reads_something_known(self, subject: Subject) -> None:
        assert subject.entry.facts in GIVEN, f"facts: one of {', '.join(GIVEN)}"
        if subject.entry.facts in ("held-out", "gram"):
            assert isinstance(getattr(subject.choice, "examples", None), int), "a parameter `examples` says how many"

    def test_known_gradients_give_known_values(self, subject: Subject) -> None:
        for case, wanted in self.expected.items():
            found = {key[0]: reading.value for key, reading in read(subject, SETS[case]).items()}
            for quantity, value in wanted.items():
                same = found[quantity] is value if value is None else abs((found[quantity] or 0.0) - value) < 1e-9
                assert same, f"{case}: {quantity} is {found[quantity]}, expected {value}"

    def test_a_value_or_a_reason(self, subject: Subject) -> None:
        for case, g in SETS.items():
            readings = read(subject, g)
            assert readings, f"no reading of {case} gradients"
            for reading in readings.values():
                assert (reading.value is None) == (reading.reason is not None), (case, reading)
                assert reading.value is None or np.isfinite(reading.value), (case, reading)

    def test_scaling_the_gradients(self, subject: Subject) -> None:
        g = np.random.default_rng(0).normal(size=(M, D)) + 0.3
        before = read(subject, g)
        for scale in (1e-3, 0.5, 7.0):
            for key, reading in read(subject, scale * g).items():
                expected = (before[key].value or 0.0) * scale ** self.powers.get(key[0], 0)
                assert abs((reading.value or 0.0) - expected) <= 1e-9 + 1e-7 * abs(expected), key

    def test_a_trial_runs_and_resumes(self, subject: Subject, tmp_path: Path) -> None:
        chosen = subject.choice.model_dump(mode="json", exclude_defaults=True)
        measure = {**QUICK["measure"], "instruments": [chosen]}
        with registered(INSTRUMENTS, subject):
            rows = check_trial(TrialSpec.model_validate({**QUICK, "measure": measure}), tmp_path)
        assert any(row["instrument"] == subject.name for row in rows["instruments"])


def read(subject: Subject, g: Array, state: State | None = None) -> dict[Key, Reading]:
    """Readings of rows g, by quantity and group."""
    readings, _ = load(subject.entry)(subject.choice, GIVEN[subject.entry.facts](g), state or {})
    return {(reading.quantity, reading.group): reading for reading in readings}
