"""From a spec to a Setting: data, corruption, model, engine, aggregator, optimizer."""

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from trainables.aggregators import AGGREGATORS
from trainables.beforehand import train_beforehand
from trainables.beginnings import Pretrained
from trainables.corruptions import CORRUPTIONS
from trainables.corruptions.interface import Corrupted
from trainables.datasets import DATASETS
from trainables.datasets.arrays import Arrays, digest, taken
from trainables.datasets.lazy import Pictures
from trainables.difficulty import Sides, divide
from trainables.evaluation import Evaluator, Split, forward
from trainables.example_units import ExampleUnits
from trainables.gradients.checks import check_model
from trainables.gradients.engine import Engine
from trainables.gradients.support import UnsupportedModelError
from trainables.gradients.thirds import together
from trainables.initial import initialise
from trainables.inputs import as_inputs
from trainables.losses import LOSSES
from trainables.models import MODELS
from trainables.modes import draws, frozen_buffers, mixes_examples, untouched
from trainables.optim import OPTIMIZERS
from trainables.outcomes import DivergedError, never
from trainables.passes import Units, trainable
from trainables.registry import Choice, load
from trainables.seeding import torch_stream
from trainables.setting import Setting
from trainables.spec import TrialSpec
from trainables.training import Gradients
from trainables.units import ESTIMATORS
from trainables.watch import Watch

Loss = Callable[[Tensor, Tensor], Tensor]


def build_setting(spec: TrialSpec, device: str | None, should_stop: Callable[[], bool] = never) -> Setting:
    """Build all parts of a trial and check, on the first batch, that its per-example statistics are sound.

    Sorts the training examples first where the spec says so; that raises what `train_beforehand` raises.
    """
    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    arrays = load(DATASETS[spec.dataset.name])(spec.dataset)
    loss = partial(load(LOSSES[spec.loss.name]), spec.loss)
    corrupted = _corrupted(spec, spec.corruption, arrays)
    seen = corrupted.arrays
    sides = _sides(spec, seen, arrays.train_y, loss, where, should_stop)
    chosen = np.arange(len(seen.train_y)) if sides is None else sides.train
    train = _part(seen, arrays.train_y, None if sides is None else chosen, spec, where)
    test = _split(seen.test_x, seen.test_y, arrays.test_y, spec, where)
    held_out = {} if sides is None else {name: getattr(sides, name) for name in ("easy", "hard")}
    model = _model(spec, where, "init")
    parameters, needs = trainable(model), AGGREGATORS[spec.aggregator.name].facts
    x, y = train.x[: spec.batch_size], train.given[: spec.batch_size]
    with torch_stream(spec.seed, "checks", where):
        joint = needs == "groups" and not mixes_examples(model) and _together(model, x[:2])
        engine = _engine(spec, model, needs, joint)
        units = load(ESTIMATORS[spec.estimator.name])(spec.estimator, model, loss, engine)
        noisy = draws(model, x[:2] if len(x) > 1 else x)
        _check(model, engine, units, parameters, x, lambda outputs: loss(outputs, y))
    aggregator = load(AGGREGATORS[spec.aggregator.name])(spec.aggregator, spec.tail_count)
    return Setting(
        spec=spec,
        device=where,
        train=train,
        selected=corrupted.selected[chosen],
        model=model,
        parameters=parameters,
        engine=engine,
        gradients=Gradients(model, loss, needs, parameters, engine, together=joint),
        draws=noisy,
        aggregator=aggregator,
        aggregator_state=aggregator.init(),
        optimizer=load(OPTIMIZERS[spec.optimizer.name])(spec.optimizer),
        evaluator=Evaluator(
            model,
            loss,
            train,
            test,
            positions=chosen,
            held_out={name: _part(seen, arrays.train_y, indices, spec, where) for name, indices in held_out.items()},
        ),
        watch=Watch(spec, model, units, train, test),
        facts=_facts(parameters, seen, arrays, None if sides is None else chosen),
        begin=_beginning(spec, model, loss, arrays, None if sides is None else chosen, where),
    )


def _corrupted(spec: TrialSpec, choice: Choice, arrays: Arrays) -> Corrupted:
    made: Corrupted = load(CORRUPTIONS[choice.name])(choice, arrays, spec.dataset_facts.classes, spec.seed)
    return made


def _sides(
    spec: TrialSpec,
    seen: Arrays,
    original: npt.NDArray[np.int64],
    loss: Loss,
    where: torch.device,
    should_stop: Callable[[], bool],
) -> Sides | None:
    """The sides of the training set, after a short training of a model of its own."""
    choice = spec.difficulty
    if choice is None:
        return None
    whole, model = _part(seen, original, None, spec, where), _model(spec, where, "sort/init")
    train_beforehand(
        spec,
        model,
        loss,
        whole.x,
        whole.given,
        epochs=choice.sort_epochs,
        purpose="sort",
        should_stop=should_stop,
    )
    losses, _ = forward(model, loss, whole)
    if not np.isfinite(losses).all():
        raise DivergedError("a training loss after sorting is not finite")
    return divide(choice, losses, original, spec.seed)


def _beginning(
    spec: TrialSpec,
    model: nn.Module,
    loss: Loss,
    arrays: Arrays,
    chosen: npt.NDArray[np.int64] | None,
    where: torch.device,
) -> Callable[[Callable[[], bool]], None] | None:
    """What changes the initial weights before step 0; not called where a trial resumes."""
    init = spec.init
    if not isinstance(init, Pretrained):
        return None

    def begin(should_stop: Callable[[], bool]) -> None:
        part = _part(_corrupted(spec, init.corruption, arrays).arrays, arrays.train_y, chosen, spec, where)
        train_beforehand(
            spec, model, loss, part.x, part.given, epochs=init.epochs, purpose="pretrained", should_stop=should_stop
        )

    return begin


def _facts(
    parameters: dict[str, nn.Parameter], seen: Arrays, arrays: Arrays, chosen: npt.NDArray[np.int64] | None
) -> dict[str, int | str]:
    """Numbers of `trials` that are known before the first step. chosen: what is trained on, None for all."""
    x: Pictures = seen.train_x if chosen is None else taken(seen.train_x, chosen)
    given, original = ((y if chosen is None else y[chosen]) for y in (seen.train_y, arrays.train_y))
    return {
        "parameters": sum(parameter.numel() for parameter in parameters.values()),
        "train_examples": len(x),
        "corrupt_examples": int(np.count_nonzero(given != original)),
        "data_sha256": digest(x, given, seen.test_x, seen.test_y),
    }


def _engine(spec: TrialSpec, model: nn.Module, needs: str, joint: bool) -> Engine | None:
    """The engine of the training pass, where the estimator or the aggregator looks at single examples, or thirds of a
    batch are taken from one joint pass.

    Only a mean gradient can be fused: other aggregators take no weight gradient from autograd in the first place.
    """
    wanted = spec.estimator.name == "example" or needs in ("rows", "norms") or joint
    fused = spec.engine == "fused" and needs in ("nothing", "history")
    return Engine(model, fused=fused) if wanted else None


def _together(model: nn.Module, x: Tensor) -> bool:
    """Whether thirds of a batch are taken from one pass; always by themselves where examples see each other."""
    with untouched(model, x.device):
        return together(model, x)


def _check(
    model: nn.Module,
    engine: Engine | None,
    units: Units,
    parameters: dict[str, nn.Parameter],
    x: Tensor,
    losses_of: Callable[[Tensor], Tensor],
) -> None:
    """That statistics are what they claim to be, for every engine in use, and that every parameter is used."""
    other = units.engine if isinstance(units, ExampleUnits) else None
    if other is not None:
        with units.mode():
            check_model(other, model, x, losses_of)
    if engine is not None and other is not None and other.eval_mode == engine.eval_mode:
        engine.plan_like(other)  # norms and rows come from the same code in both; a fused engine is checked for more
    elif engine is not None:
        check_model(engine, model, x, losses_of)
    if engine is None:
        with frozen_buffers(model):
            own = torch.autograd.grad(losses_of(model(x)).sum(), list(parameters.values()), allow_unused=True)
        unused = [name for name, gradient in zip(parameters, own, strict=True) if gradient is None]
        if unused:
            raise UnsupportedModelError(f"parameters without a gradient: {', '.join(unused)}; freeze or remove them.")


def _part(
    seen: Arrays, original: npt.NDArray, chosen: npt.NDArray[np.int64] | None, spec: TrialSpec, device: torch.device
) -> Split:
    """Training examples at these positions; all with None."""
    if chosen is None:
        return _split(seen.train_x, seen.train_y, original, spec, device)
    return _split(taken(seen.train_x, chosen), seen.train_y[chosen], original[chosen], spec, device)


def _split(x: Pictures, given: npt.NDArray, original: npt.NDArray, spec: TrialSpec, device: torch.device) -> Split:
    inputs = as_inputs(x, getattr(torch, spec.dtype), device)
    return Split(inputs, torch.tensor(given, device=device), torch.tensor(original, device=device))


def _model(spec: TrialSpec, device: torch.device, purpose: str) -> nn.Module:
    """The model on a stream of initial weights; a single output for squared error on two classes."""
    facts = spec.dataset_facts
    outputs = 1 if spec.loss.name == "squared-error" and facts.classes == 2 else facts.classes
    with torch_stream(spec.seed, purpose):
        model: nn.Module = load(MODELS[spec.model.name])(spec.model, facts.shape, outputs)
    if isinstance(spec.init, str):
        initialise(model, spec.init, spec.seed, purpose)
    return model.to(device, getattr(torch, spec.dtype))
