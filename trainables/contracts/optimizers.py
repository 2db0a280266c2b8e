"""The contract of every optimizer: descent, purity, rate 0, and state that goes on as before."""

from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from trainables.contracts.base import QUICK, Contract, Subject, check_trial, registered
from trainables.optim import OPTIMIZERS, OptimizerChoice
from trainables.registry import load
from trainables.spec import TrialSpec

Tensors = dict[str, Tensor]


class OptimizerContract(Contract):
    """steps: after so many of 1/2 ||w||^2 at the choice's rate, the weights must be shorter."""

    steps: ClassVar[int] = 50

    def test_its_parameters_have_a_rate(self, subject: Subject) -> None:
        assert isinstance(subject.choice, OptimizerChoice)

    def test_it_descends(self, subject: Subject) -> None:
        assert isinstance(subject.choice, OptimizerChoice)
        ours, w = load(subject.entry)(subject.choice), weights()
        before = length(w)
        for _ in range(self.steps):
            ours.apply(w, {name: each.detach().clone() for name, each in w.items()}, subject.choice.lr, decay=True)
        assert length(w) < before

    def test_directions_are_spared_and_a_rate_of_0_changes_nothing(self, subject: Subject) -> None:
        ours, w, direction = load(subject.entry)(subject.choice), weights(), directions(0)
        ours.apply(w, direction, 0.0, decay=True)
        assert all(torch.equal(w[name], each) for name, each in weights().items())
        assert all(torch.equal(direction[name], each) for name, each in directions(0).items())

    def test_state_given_back_goes_on_as_before(self, subject: Subject) -> None:
        whole, first, second = (load(subject.entry)(subject.choice) for _ in range(3))
        a, b = weights(), weights()
        for step in range(6):
            whole.apply(a, directions(step), 0.1, decay=True)
            if step == 3:
                second.load_state(first.state())
            (first if step < 3 else second).apply(b, directions(step), 0.1, decay=True)
        assert all(torch.equal(a[name], b[name]) for name in a)

    def test_a_trial_runs_and_resumes(self, subject: Subject, tmp_path: Path) -> None:
        chosen = subject.choice.model_dump(mode="json", exclude_defaults=True)
        with registered(OPTIMIZERS, subject):
            check_trial(TrialSpec.model_validate({**QUICK, "optimizer": chosen}), tmp_path)


def directions(step: int) -> Tensors:
    """Made-up directions of a step, float64."""
    generator = torch.Generator().manual_seed(step)
    shapes = {"w": (3, 4), "b": (3,)}
    return {name: torch.randn(shape, generator=generator, dtype=torch.float64) for name, shape in shapes.items()}


def weights() -> dict[str, nn.Parameter]:
    """Weights to begin with."""
    return {name: nn.Parameter(start) for name, start in directions(99).items()}


def length(w: dict[str, nn.Parameter]) -> float:
    """||w||^2."""
    return sum(float(each.detach().square().sum()) for each in w.values())
