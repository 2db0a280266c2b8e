"""From a spec to a Setting: data, corruption, model, engine, aggregator, optimizer."""

from collections.abc import Callable
from functools import partial

import numpy.typing as npt
import torch
from torch import Tensor, nn

from trainables.aggregators import AGGREGATORS
from trainables.corruptions import CORRUPTIONS
from trainables.datasets import DATASETS
from trainables.datasets.arrays import digest
from trainables.datasets.lazy import Pictures
from trainables.evaluation import Evaluator, Split
from trainables.gradients.checks import check_model
from trainables.gradients.engine import Engine
from trainables.gradients.support import UnsupportedModelError
from trainables.inputs import as_inputs
from trainables.losses import LOSSES
from trainables.models import MODELS
from trainables.modes import draws, frozen_buffers, mixes_examples
from trainables.optim import OPTIMIZERS
from trainables.passes import ExampleUnits, Units, trainable
from trainables.registry import load
from trainables.seeding import torch_stream
from trainables.setting import Setting
from trainables.spec import TrialSpec
from trainables.training import Gradients
from trainables.units import ESTIMATORS
from trainables.watch import Watch


def build_setting(spec: TrialSpec, device: str | None) -> Setting:
    """Build all parts of a trial and check, on the first batch, that its per-example statistics are sound."""
    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    arrays = load(DATASETS[spec.dataset.name])(spec.dataset)
    classes = spec.dataset_facts.classes
    corrupted = load(CORRUPTIONS[spec.corruption.name])(spec.corruption, arrays, classes, spec.seed)
    seen = corrupted.arrays
    train = _split(seen.train_x, seen.train_y, arrays.train_y, spec, where)
    test = _split(seen.test_x, seen.test_y, arrays.test_y, spec, where)
    loss = partial(load(LOSSES[spec.loss.name]), spec.loss)
    model = _model(spec, where)
    parameters, needs = trainable(model), AGGREGATORS[spec.aggregator.name].facts
    x, y = train.x[: spec.batch_size], train.given[: spec.batch_size]
    with torch_stream(spec.seed, "checks", where):
        engine = _engine(spec, model, needs)
        units = load(ESTIMATORS[spec.estimator.name])(spec.estimator, model, loss, engine)
        noisy = draws(model, x[:2] if len(x) > 1 else x)
        _check(model, engine, units, parameters, x, lambda outputs: loss(outputs, y))
    aggregator = load(AGGREGATORS[spec.aggregator.name])(spec.aggregator, spec.tail_count)
    facts: dict[str, int | str] = {
        "parameters": sum(parameter.numel() for parameter in parameters.values()),
        "train_examples": len(train.x),
        "corrupt_examples": int((seen.train_y != arrays.train_y).sum()),
        "data_sha256": digest(seen.train_x, seen.train_y, seen.test_x, seen.test_y),
    }
    return Setting(
        spec=spec,
        device=where,
        train=train,
        selected=corrupted.selected,
        model=model,
        parameters=parameters,
        engine=engine,
        gradients=Gradients(model, loss, needs, parameters, engine),
        draws=noisy,
        aggregator=aggregator,
        aggregator_state=aggregator.init(),
        optimizer=load(OPTIMIZERS[spec.optimizer.name])(spec.optimizer),
        evaluator=Evaluator(model, loss, train, test),
        watch=Watch(spec, model, units, train, test),
        facts=facts,
    )


def _engine(spec: TrialSpec, model: nn.Module, needs: str) -> Engine | None:
    """The engine of the training pass, where the estimator or the aggregator looks at single examples.

    Thirds of a batch are passes of their own where examples see each other.
    """
    wanted = spec.estimator.name == "example" or needs in ("rows", "norms")
    return Engine(model) if wanted or (needs == "groups" and not mixes_examples(model)) else None


def _check(
    model: nn.Module,
    engine: Engine | None,
    units: Units,
    parameters: dict[str, nn.Parameter],
    x: Tensor,
    losses_of: Callable[[Tensor], Tensor],
) -> None:
    """That statistics are what they claim to be, for every engine in use, and that every parameter is used."""
    if engine is not None:
        check_model(engine, model, x, losses_of)
    if isinstance(units, ExampleUnits) and units.engine is not engine:
        with units.mode():
            check_model(units.engine, model, x, losses_of)
    if engine is None:
        with frozen_buffers(model):
            own = torch.autograd.grad(losses_of(model(x)).sum(), list(parameters.values()), allow_unused=True)
        unused = [name for name, gradient in zip(parameters, own, strict=True) if gradient is None]
        if unused:
            raise UnsupportedModelError(f"parameters without a gradient: {', '.join(unused)}; freeze or remove them.")


def _split(x: Pictures, given: npt.NDArray, original: npt.NDArray, spec: TrialSpec, device: torch.device) -> Split:
    inputs = as_inputs(x, getattr(torch, spec.dtype), device)
    return Split(inputs, torch.tensor(given, device=device), torch.tensor(original, device=device))


def _model(spec: TrialSpec, device: torch.device) -> nn.Module:
    """The model on its own stream of initial weights; a single output for squared error on two classes."""
    facts = spec.dataset_facts
    outputs = 1 if spec.loss.name == "squared-error" and facts.classes == 2 else facts.classes
    with torch_stream(spec.seed, "init"):
        model: nn.Module = load(MODELS[spec.model.name])(spec.model, facts.shape, outputs)
    if spec.init == "zeros":
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.zero_()
    return model.to(device, getattr(torch, spec.dtype))
