"""What a trial's loop works with: data on the device, model, engine, aggregator, schedules; and one update."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from trainables.aggregators import AGGREGATORS
from trainables.aggregators.interface import Aggregator, State
from trainables.augmentations import AUGMENTATIONS
from trainables.evaluation import Evaluator, Split
from trainables.gradients.engine import Engine, Record
from trainables.gradients.types import Direction
from trainables.losses.functions import predictions
from trainables.measures import Columns, columns, layer_rows
from trainables.probe import Probe, deal, probe_sample
from trainables.rates import SCHEDULES, Factor
from trainables.registry import load
from trainables.schedules import steps_of
from trainables.seeding import epoch_order
from trainables.spec import TrialSpec
from trainables.updates import Optimizer


@dataclass(frozen=True)
class StepMade:
    """What one update left to record."""

    loss: float
    step_row: Columns | None
    layer_rows: list[Columns]


@dataclass
class Setting:
    """Everything of a trial but the loop."""

    spec: TrialSpec
    device: torch.device
    train: Split
    selected: npt.NDArray[np.bool_]
    model: nn.Module
    engine: Engine
    loss: Callable[[Tensor, Tensor], Tensor]
    aggregator: Aggregator[Any]
    aggregator_state: State
    optimizer: Optimizer
    evaluator: Evaluator
    facts: dict[str, int | str]

    def __post_init__(self) -> None:
        spec, measure = self.spec, self.spec.measure
        last = spec.total_steps
        self.evaluation_steps = steps_of(measure.evaluate.schedule, last)
        self.probe_steps = steps_of(measure.probe.schedule, last) if measure.probe else frozenset()
        self._layer_steps = steps_of(measure.online.layers, last - 1) if measure.online else frozenset()
        self._augment = load(AUGMENTATIONS[spec.augmentation.name])
        self._factor: Factor = load(SCHEDULES[spec.schedule.name])
        self._needs = AGGREGATORS[spec.aggregator.name].facts
        self._parameters = {layer.name: layer.parameters for layer in self.engine.layers}
        self._order = (-1, np.empty(0, dtype=np.int64))
        sample = probe_sample(spec.seed, len(self.train.x), spec.probe_examples)
        self._cells = deal(sample, (self.train.given != self.train.original).cpu().numpy())
        self._probe = Probe(self.engine, self.model, self.loss, self.train.x, self.train.given)

    def probe_rows(self) -> list[Columns]:
        """Rows of the probe at the weights as they are."""
        probe = self.spec.measure.probe
        groups = ("pristine", "corrupt") if probe and "corruption" in probe.groups else ()
        return self._probe.rows(self._cells, groups)

    def train_step(self, step: int) -> StepMade:
        """One update, measured when the online schedule says so."""
        online = self.spec.measure.online
        measured = online is not None and step % online.every == 0
        layered = step in self._layer_steps
        x, y = self._batch(step)
        outputs, losses, direction, record = self._gradients(x, y, measured or layered)
        loss = float(losses.detach().mean())
        made = StepMade(loss, None, [])
        if record is not None and (measured or layered):
            made = self._online(step, y, outputs, loss, record, direction, measured, layered)
        self._update(record, direction, step)
        return made

    def _batch(self, step: int) -> tuple[Tensor, Tensor]:
        epoch, position = divmod(step, self.spec.steps_per_epoch)
        if self._order[0] != epoch:
            self._order = (epoch, epoch_order(self.spec.seed, epoch, len(self.train.x)))
        size = self.spec.batch_size
        chosen = self._order[1][position * size : (position + 1) * size]
        index = torch.from_numpy(chosen).to(self.device)
        x = self._augment(self.spec.augmentation, self.train.x[index], chosen, self.spec.seed, epoch)
        return x, self.train.given[index]

    def _gradients(
        self, x: Tensor, y: Tensor, measured: bool
    ) -> tuple[Tensor, Tensor, Direction | None, Record | None]:
        """Outputs, losses, mean gradient (none for groups, rows and norms) and the record, if one was kept."""
        own = self._needs in ("nothing", "history")
        if own and not measured:
            outputs = self.model(x)
            losses = self.loss(outputs, y)
            return outputs, losses, self.engine.mean_gradient(losses), None
        with self.engine.recording() as record:
            outputs = self.model(x)
            losses = self.loss(outputs, y)
        return outputs, losses, record.differentiate(losses, mean_gradient=own), record

    def _online(
        self,
        step: int,
        y: Tensor,
        outputs: Tensor,
        loss: float,
        record: Record,
        mean: Direction | None,
        measured: bool,
        layered: bool,
    ) -> StepMade:
        size = len(y)
        if mean is None:
            total = record.group_sums([slice(None)])[0]
            mean = Direction({name: tensor / size for name, tensor in total.tensors.items()})
        found = self.engine.statistics(record.square_norms(), mean, size)
        row: Columns | None = None
        if measured:
            row = {
                "step": step,
                "epoch": step // self.spec.steps_per_epoch,
                "lr": self.rate(step),
                "loss": loss,
                "accuracy": float((predictions(outputs.detach()) == y).double().mean()),
                **columns(found["*"]),
            }
        common: dict[str, str | int] = {"step": step, "source": "online", "estimator": "example", "group": "all"}
        rows = layer_rows(found, self._parameters, common) if layered else []
        for each in rows:
            each["s_dot_total"] = each["s2"]
        return StepMade(loss, row, rows)

    def _update(self, record: Record | None, mean: Direction | None, step: int) -> None:
        given: Any = mean
        early = self.aggregator.decay_first
        if early and mean is not None:
            given = Direction(self.optimizer.decayed(self.engine.parameters, mean.tensors))
        if self._needs == "groups" and record is not None:
            given = record.group_means(3, self.spec.batch_size)
        elif self._needs == "rows" and record is not None:
            given = record.rows()
        elif self._needs == "norms":
            given = record
        direction, self.aggregator_state = self.aggregator.update(given, self.aggregator_state)
        if direction is not None:
            self.optimizer.apply(self.engine.parameters, direction.tensors, self.rate(step), decay=not early)

    def rate(self, step: int) -> float:
        """Learning rate of the update from step to step + 1."""
        spec = self.spec
        return spec.optimizer.lr * self._factor(spec.schedule, step, spec.total_steps, spec.steps_per_epoch)

    def state(self) -> dict[str, Any]:
        """Tensors of everything that changes while training."""
        return {
            "model": {name: tensor.detach().cpu().clone() for name, tensor in self.model.state_dict().items()},
            "aggregator": {name: tensor.cpu() for name, tensor in self.aggregator_state.items()},
            "optimizer": self.optimizer.state(),
            "evaluator": self.evaluator.state(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Take back what `state` gave."""
        self.model.load_state_dict(state["model"])
        self.aggregator_state = {name: tensor.to(self.device) for name, tensor in state["aggregator"].items()}
        self.optimizer.load_state({name: tensor.to(self.device) for name, tensor in state["optimizer"].items()})
        self.evaluator.load_state(state["evaluator"])
