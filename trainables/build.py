"""From a spec to a Setting: data, corruption, model, engine, aggregator, optimizer."""

from functools import partial

import numpy.typing as npt
import torch
from torch import nn

from trainables.aggregators import AGGREGATORS
from trainables.corruptions import CORRUPTIONS
from trainables.datasets import DATASETS
from trainables.datasets.arrays import digest
from trainables.datasets.lazy import Pictures
from trainables.evaluation import Evaluator, Split
from trainables.gradients.checks import check_model
from trainables.gradients.engine import Engine
from trainables.inputs import as_inputs
from trainables.losses import LOSSES
from trainables.models import MODELS
from trainables.optim import OPTIMIZERS
from trainables.registry import load
from trainables.seeding import torch_stream
from trainables.setting import Setting
from trainables.spec import TrialSpec


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
    engine = Engine(model)
    first = slice(0, spec.batch_size)
    check_model(engine, model, train.x[first], lambda outputs: loss(outputs, train.given[first]))
    aggregator = load(AGGREGATORS[spec.aggregator.name])(spec.aggregator, spec.tail_count)
    facts: dict[str, int | str] = {
        "parameters": sum(layer.parameters for layer in engine.layers),
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
        engine=engine,
        loss=loss,
        aggregator=aggregator,
        aggregator_state=aggregator.init(),
        optimizer=load(OPTIMIZERS[spec.optimizer.name])(spec.optimizer),
        evaluator=Evaluator(model, loss, train, test),
        facts=facts,
    )


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
