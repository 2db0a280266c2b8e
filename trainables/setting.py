"""What a trial's loop works with: data on the device, model, aggregator, schedules, what it measures; one update."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from trainables.aggregators.interface import Aggregator, State
from trainables.augmentations import AUGMENTATIONS
from trainables.evaluation import Evaluator, Split
from trainables.gradients.engine import Engine
from trainables.gradients.types import Direction, Statistics
from trainables.losses.functions import predictions
from trainables.measures import Columns, columns, layer_rows
from trainables.rates import SCHEDULES, Factor
from trainables.registry import load
from trainables.schedules import steps_of
from trainables.seeding import epoch_order, torch_stream
from trainables.spec import TrialSpec
from trainables.training import Gradients, Pass
from trainables.updates import Optimizer
from trainables.watch import Watch


@dataclass(frozen=True)
class StepMade:
    """What one update left to record."""

    loss: float
    step_row: Columns | None
    layer_rows: list[Columns]


@dataclass
class Setting:
    """Everything of a trial but the loop.

    engine: of the training pass, where something needs it. draws: whether a training pass draws random numbers.
    begin: changes the initial weights before step 0, unless asked to stop.
    """

    spec: TrialSpec
    device: torch.device
    train: Split
    selected: npt.NDArray[np.bool_]
    model: nn.Module
    parameters: dict[str, nn.Parameter]
    engine: Engine | None
    gradients: Gradients
    draws: bool
    aggregator: Aggregator[Any]
    aggregator_state: State
    optimizer: Optimizer
    evaluator: Evaluator
    watch: Watch
    facts: dict[str, int | str]
    begin: Callable[[Callable[[], bool]], None] | None = None

    def __post_init__(self) -> None:
        spec, measure = self.spec, self.spec.measure
        # Read at every step: properties of the spec ask the data set for its facts each time.
        self._per_epoch, self.last_step = spec.steps_per_epoch, spec.total_steps
        last = self.last_step
        self.evaluation_steps = steps_of(measure.evaluate.schedule, last)
        self._layer_steps = steps_of(measure.online.layers, last - 1) if measure.online else frozenset()
        self._augment = load(AUGMENTATIONS[spec.augmentation.name])
        self._factor: Factor = load(SCHEDULES[spec.schedule.name])
        self._sizes = {part.name: part.parameters for part in self.watch.units.parts}
        self._order = (-1, np.empty(0, dtype=np.int64))

    def start(self, should_stop: Callable[[], bool]) -> None:
        """Make ready for step 0; a trial that resumes does without."""
        if self.begin is not None:
            self.begin(should_stop)
            if self.watch.average:
                self.watch.average.restart()

    def train_step(self, step: int) -> StepMade:
        """One update, measured when the online schedule says so."""
        online = self.spec.measure.online
        measured = online is not None and step % online.every == 0
        layered = step in self._layer_steps
        inside = (measured or layered) and self.spec.estimator.name == "example"
        x, y = self._batch(step)
        with self._stream(f"forward/{step}"):
            made = self.gradients.take(x, y, record=inside)
        loss = float(made.losses.detach().mean())
        step_made = StepMade(loss, None, [])
        if measured or layered:
            found = self._inside(made, len(y)) if inside else self._beside(x, y, step)
            step_made = self._online(step, y, made.outputs, loss, found, measured, layered)
        self._update(made, step)
        return step_made

    def drawn(self, step: int) -> dict[str, Tensor]:
        """What the update from `step` trains on: positions in the training set, inputs as augmented, given labels."""
        x, y = self._batch(step)
        return {"indices": torch.from_numpy(self._positions(step)), "inputs": x, "labels": y}

    def _positions(self, step: int) -> npt.NDArray[np.int64]:
        epoch, position = divmod(step, self._per_epoch)
        if self._order[0] != epoch:
            self._order = (epoch, epoch_order(self.spec.seed, epoch, len(self.train.x)))
        size = self.spec.batch_size
        return self._order[1][position * size : (position + 1) * size]

    def _batch(self, step: int) -> tuple[Tensor, Tensor]:
        chosen, epoch = self._positions(step), step // self._per_epoch
        index = torch.from_numpy(chosen).to(self.device)
        x = self._augment(self.spec.augmentation, self.train.x[index], chosen, self.spec.seed, epoch)
        return x, self.train.given[index]

    @contextmanager
    def _stream(self, purpose: str) -> Iterator[None]:
        """Dropout and its like draw from a stream of their own; other models do without."""
        if not self.draws:
            yield
            return
        with torch_stream(self.spec.seed, purpose, self.device):
            yield

    def _inside(self, made: Pass, size: int) -> dict[str, Statistics]:
        """Statistics of the training pass itself."""
        assert self.engine is not None
        return self.engine.statistics(*made.measured(), size)

    def _beside(self, x: Tensor, y: Tensor, step: int) -> dict[str, Statistics]:
        """Statistics of the batch by a pass of its own, before the update."""
        with self._stream(f"online/{step}"):
            return self.watch.units.statistics(x, y)

    def _online(
        self,
        step: int,
        y: Tensor,
        outputs: Tensor,
        loss: float,
        found: dict[str, Statistics],
        measured: bool,
        layered: bool,
    ) -> StepMade:
        row: Columns | None = None
        if measured:
            row = {
                "step": step,
                "epoch": step // self._per_epoch,
                "lr": self.rate(step),
                "loss": loss,
                "accuracy": float((predictions(outputs.detach()) == y).double().mean()),
                **columns(found["*"]),
            }
        common: dict[str, str | int] = {
            "step": step,
            "source": "online",
            "estimator": self.spec.estimator.name,
            "group": "all",
        }
        rows = layer_rows(found, self._sizes, common) if layered else []
        for each in rows:
            each["s_dot_total"] = each["s2"]
        return StepMade(loss, row, rows)

    def _update(self, made: Pass, step: int) -> None:
        given = self.gradients.given(made, self.spec.batch_size)
        early = self.aggregator.decay_first
        if early:
            given = Direction(self.optimizer.decayed(self.parameters, given.tensors))
        direction, self.aggregator_state = self.aggregator.update(given, self.aggregator_state)
        if direction is not None:
            self.optimizer.apply(self.parameters, direction.tensors, self.rate(step), decay=not early)
        if self.watch.average:
            self.watch.average.follow()

    def rate(self, step: int) -> float:
        """Learning rate of the update from step to step + 1."""
        spec = self.spec
        return spec.optimizer.lr * self._factor(spec.schedule, step, self.last_step, self._per_epoch)

    def state(self) -> dict[str, Any]:
        """Tensors of everything that changes while training."""
        return {
            "model": {name: tensor.detach().cpu().clone() for name, tensor in self.model.state_dict().items()},
            "aggregator": {name: tensor.cpu() for name, tensor in self.aggregator_state.items()},
            "optimizer": self.optimizer.state(),
            "evaluator": self.evaluator.state(),
            "watch": self.watch.state(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Take back what `state` gave."""
        self.model.load_state_dict(state["model"])
        self.aggregator_state = {name: tensor.to(self.device) for name, tensor in state["aggregator"].items()}
        self.optimizer.load_state({name: tensor.to(self.device) for name, tensor in state["optimizer"].items()})
        self.evaluator.load_state(state["evaluator"])
        self.watch.load_state(state["watch"])
