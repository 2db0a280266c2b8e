"""The contract of every model: shapes, weights from the seed alone, independent examples, exact statistics."""

import copy
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainables.contracts.base import QUICK, Contract, Subject, check_trial, registered
from trainables.gradients.checks import check_model
from trainables.gradients.engine import Engine
from trainables.models import MODELS
from trainables.registry import Surroundings, load
from trainables.spec import TrialSpec

SIZE, OUTPUTS = 4, 3
NOISE = ("Dropout", "StochasticDepth", "DropPath")
"""Modules whose class is called so draw random numbers in training."""


class ModelContract(Contract):
    """shape: of an example that the model takes; left out, two channels of its least height, or 8."""

    shape: ClassVar[tuple[int, ...] | None] = None

    def test_outputs_have_their_shape_and_gradients_are_finite(self, subject: Subject) -> None:
        model, x = self.built(subject)
        outputs = model(x)
        assert outputs.shape == (SIZE, OUTPUTS)
        losses(outputs).mean().backward()  # type: ignore[no-untyped-call]
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None, f"{name} has no gradient: freeze or remove it"
            assert bool(parameter.grad.isfinite().all()), name
        assert any(bool(parameter.grad.any()) for parameter in model.parameters() if parameter.grad is not None)

    def test_weights_depend_on_the_seed_alone(self, subject: Subject) -> None:
        one, same, other = (self.built(subject, seed)[0].state_dict() for seed in (3, 3, 4))
        assert all(torch.equal(one[name], same[name]) for name in one)
        assert any(not torch.equal(one[name], other[name]) for name in one)

    def test_examples_see_each_other_in_training_iff_the_parameters_say_so(self, subject: Subject) -> None:
        model, x = self.built(subject)
        model = quiet(model)
        difference = far(model(x)[:2], model(x[:2]))
        if mixes(subject):
            assert difference > 1e-3, "mixes_examples is True, but a batch is its halves"
        else:
            assert difference < 1e-10, "a batch is not its halves: batch normalisation? mixes_examples must be True"

    def test_a_batch_is_its_halves_in_evaluation_mode(self, subject: Subject) -> None:
        model, x = self.built(subject)
        model(x)
        model.eval()
        assert far(model(x), torch.cat([model(x[:2]), model(x[2:])])) < 1e-10

    def test_statistics_of_the_engine_equal_a_loop_over_examples(self, subject: Subject) -> None:
        if mixes(subject):
            return  # examples have no gradient of their own
        model, x = self.built(subject)
        model = quiet(model)
        rows = torch.stack([gradient(model, x[i : i + 1], slice(i, i + 1)) for i in range(SIZE)])
        engine = Engine(model)
        with engine.recording() as record:
            found = losses(model(x))
        mean = record.differentiate(found, mean_gradient=True)
        assert mean is not None
        whole = engine.statistics(record.square_norms(), mean, SIZE)["*"]
        for value, loop in ((whole.q, rows.square().sum()), (whole.s2, rows.sum(0).square().sum())):
            assert abs(value - float(loop)) <= 1e-9 * float(loop)
        assert sum(layer.parameters for layer in engine.layers) == rows.shape[1]
        check_model(engine, model, x, losses)

    def test_a_trial_runs_and_resumes(self, subject: Subject, tmp_path: Path) -> None:
        spec = TrialSpec.model_validate(QUICK)
        with registered(MODELS, subject):
            check_trial(spec.model_validate({**QUICK, **self.surroundings(subject)}), tmp_path)

    def built(self, subject: Subject, seed: int = 0) -> tuple[nn.Module, Tensor]:
        """The model in float64 and a batch for it."""
        least = getattr(subject.choice, "least", 0) or 8
        shape = self.shape or (2, least, least + (4 if least < 32 else 0))
        subject.choice.check(Surroundings(SIZE, "made-up", shape, epochs=1, has_momentum=False))
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            model: nn.Module = load(subject.entry)(subject.choice, shape, OUTPUTS).double()
            torch.default_generator.manual_seed(9)
            return model, torch.randn(SIZE, *shape, dtype=torch.float64)

    def surroundings(self, subject: Subject) -> dict[str, object]:
        """The fields of a trial of this model: small digits, enlarged where the model needs it."""
        side = max(getattr(subject.choice, "least", 0), 8)
        chosen: dict[str, object] = {"model": subject.choice.model_dump(mode="json", exclude_defaults=True)}
        chosen["dataset"] = {"name": "digits", "train_examples": 120, **({"resize": side} if side > 8 else {})}
        return {**chosen, **({"estimator": {"name": "grouped", "k": 3}} if mixes(subject) else {})}


def losses(outputs: Tensor) -> Tensor:
    """Cross-entropy of each example: [N, C] -> [N]."""
    return losses_of(outputs, slice(0, len(outputs)))


def losses_of(outputs: Tensor, part: slice) -> Tensor:
    """The same of a part of the batch."""
    return functional.cross_entropy(outputs, torch.tensor([0, 1, 2, 1])[part], reduction="none")


def gradient(model: nn.Module, x: Tensor, part: slice) -> Tensor:
    """Of the summed losses, all parameters side by side."""
    found = torch.autograd.grad(losses_of(model(x), part).sum(), list(model.parameters()))
    return torch.cat([each.flatten() for each in found])


def mixes(subject: Subject) -> bool:
    """Whether the parameters say that examples of a batch see each other."""
    return bool(getattr(subject.choice, "mixes_examples", False))


def quiet(model: nn.Module) -> nn.Module:
    """A copy without its noise: dropout and stochastic depth as in evaluation mode."""
    model = copy.deepcopy(model)
    for module in model.modules():
        if type(module).__name__.startswith(NOISE):
            module.eval()
    return model


def far(one: Tensor, other: Tensor) -> float:
    """Largest difference relative to the largest output."""
    return float(((one - other).abs().max() / one.abs().max()).detach())
