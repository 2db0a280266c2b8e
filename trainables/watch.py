"""What a trial measures at frozen weights: the probe and the instruments that read it, at the raw weights and, where
asked, at their exponential average."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from trainables.averaging import Average
from trainables.evaluation import Split
from trainables.measures import Columns
from trainables.modes import at_weights
from trainables.passes import GroupedUnits, Units
from trainables.probe import measure_sample, probe_rows
from trainables.readings import Readings
from trainables.sample import deal, deal_mixed, probe_sample
from trainables.seeding import torch_stream
from trainables.spec import TrialSpec

SOURCES = {"raw": "probe", "ema": "probe-ema"}
"""Point in weight space -> source in the tables."""


class Watch:
    """Measures when it is due; changes nothing: not the weights, not a stream, not a module's mode.

    selected tags come from the given and original labels of `train`.
    """

    def __init__(self, spec: TrialSpec, model: nn.Module, units: Units, train: Split, test: Split) -> None:
        self._spec, self._model, self.units, self._train = spec, model, units, train
        probe = spec.measure.probe
        self._at = probe.at if probe else ()
        self._groups = ("pristine", "corrupt") if probe and "corruption" in probe.groups else ()
        self._due = {"probe": spec.probe_steps, **spec.instrument_steps}
        corrupt: npt.NDArray[np.bool_] = (train.given != train.original).cpu().numpy()
        sample = probe_sample(spec.seed, len(train.given), spec.probe_examples, probe.skip if probe else 0)
        self._cells = (deal_mixed if isinstance(units, GroupedUnits) else deal)(sample, corrupt)
        self.average = Average(model, probe.ema_decay) if probe and "ema" in probe.at else None
        self._readings = Readings(
            choices=spec.measure.instruments,
            units=units,
            x=train.x,
            y=train.given,
            test_x=test.x,
            test_y=test.given,
            sample=sample,
            corrupt=corrupt,
            groups=self._groups,
            classes=spec.dataset_facts.classes,
            seed=spec.seed,
        )

    def due(self, step: int) -> bool:
        """Whether anything is."""
        return any(step in steps for steps in self._due.values())

    def rows(self, step: int, *, at_the_end: bool = False) -> tuple[list[Columns], list[Columns]]:
        """Rows of `layers` and of `instruments` (without step); everything at the end of a trial that is stopped."""
        due = [name for name, steps in self._due.items() if at_the_end or step in steps]
        layers: list[Columns] = []
        instruments: list[Columns] = []
        for point in self._at if due else ():
            with self._point(point), torch_stream(self._spec.seed, f"{point}/{step}", self._train.given.device):
                chosen = [name for name in due if name != "probe"]
                found = measure_sample(
                    self.units, self._train.x, self._train.given, self._cells, self._readings.keep(chosen)
                )
                instruments += self._readings.rows(chosen, found, step, SOURCES[point])
            if "probe" in due:
                rows = probe_rows(self.units, found, self._groups)
                layers += [{"source": SOURCES[point], **row} for row in rows]
        return layers, instruments

    @contextmanager
    def _point(self, point: str) -> Iterator[None]:
        with nullcontext() if self.average is None or point == "raw" else at_weights(self._model, self.average.weights):
            yield

    def state(self) -> dict[str, Any]:
        """What a resume needs."""
        average = self.average.state() if self.average else {}
        return {"readings": self._readings.state(), "average": average, "seen": torch.tensor(self.units.seen)}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take back what `state` gave."""
        self._readings.load_state(state["readings"])
        self.units.seen = int(state["seen"])
        if self.average:
            self.average.load_state(state["average"])
