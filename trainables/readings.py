"""Rows of `instruments`: hands each due instrument what it is a function of, for each layer and for the whole network.

What a fact costs: `statistics`, `moments` and `directions` come from the probe's own pass; `dots` takes one more pass,
once S is known; `held-out` a pass over held-out examples; `gram` one batch of a few examples.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from trainables.example_units import ExampleUnits
from trainables.inputs import Inputs
from trainables.instruments import INSTRUMENTS, InstrumentChoice
from trainables.instruments.interface import Directions, Dots, Gram, HeldOutSums, Moments, Reading, State
from trainables.measures import Columns
from trainables.passes import Keep, Sums, Units
from trainables.probe import Sample
from trainables.registry import load
from trainables.sample import Indices
from trainables.seeding import stream

Given = Iterator[tuple[str, str, Any]]
"""(layer, group, what the instrument is given)."""


@dataclass
class Readings:
    """The chosen instruments of a trial and their states.

    x, y: the training set, given labels; test_x, test_y: the held-out set; sample: what the probe measures; corrupt:
    tags of the training set; groups: besides `all`.
    """

    choices: Sequence[InstrumentChoice]
    units: Units
    x: Inputs
    y: Tensor
    test_x: Inputs
    test_y: Tensor
    sample: Indices
    corrupt: npt.NDArray[np.bool_]
    groups: Sequence[str]
    classes: int
    seed: int
    _states: dict[str, State] = field(default_factory=dict)

    def keep(self, due: Collection[str]) -> Keep:
        """What the probe's pass must keep for these instruments."""
        facts = {INSTRUMENTS[name].facts for name in due}
        return Keep(
            total=not facts.isdisjoint({"moments", "dots", "held-out"}),
            squares="moments" in facts,
            classes=self.classes if "directions" in facts else 0,
        )

    def rows(self, due: Collection[str], found: Sample, step: int, source: str) -> list[Columns]:
        """Rows (without step) of the due instruments, after a pass at this step."""
        order = {layer: index for index, layer in enumerate(found.layers)} | {"*": -1}
        shared: dict[str, Any] = {}
        rows: list[Columns] = []
        for choice in (one for one in self.choices if one.name in due):
            measure = load(INSTRUMENTS[choice.name])
            for layer, group, given in self._given(choice, found, step, shared):
                key = f"{source}/{choice.name}/{layer}/{group}"
                readings, self._states[key] = measure(choice, given, self._states.get(key, {}))
                common: Columns = {"source": source, "estimator": self.units.estimator, "instrument": choice.name}
                common |= {"layer": layer, "layer_index": order[layer]}
                rows += [{**common, **_row(reading, group)} for reading in readings]
        return rows

    def state(self) -> dict[str, State]:
        """What a resume needs."""
        return {key: dict(state) for key, state in self._states.items() if state}

    def load_state(self, states: dict[str, State]) -> None:
        """Take back what `state` gave."""
        self._states = {key: dict(state) for key, state in states.items()}

    def _given(self, choice: InstrumentChoice, found: Sample, step: int, shared: dict[str, Any]) -> Given:
        """shared: what several instruments of one step use, made once."""
        facts = INSTRUMENTS[choice.name].facts
        makers: dict[str, Callable[[], Given]] = {
            "statistics": lambda: self._statistics(found),
            "moments": lambda: self._moments(found.whole),
            "directions": lambda: self._directions(found.whole),
            "dots": lambda: self._dots(found.whole, step, shared),
            "held-out": lambda: self._held_out(choice.examples, found, shared),  # type: ignore[attr-defined]
            "gram": lambda: self._gram(choice.examples, shared),  # type: ignore[attr-defined]
        }
        return makers[facts]()

    def _statistics(self, found: Sample) -> Given:
        for group in ("all", *self.groups):
            members = found.members(group)
            yield from ((layer, group, sums.statistics(members)) for layer, sums in found.layers.items())

    def _moments(self, whole: Sums) -> Given:
        yield from ((name, "all", Moments(whole.n, *pair)) for name, pair in self._flat(whole.total, whole.squares))

    def _flat(self, *sums: dict[str, Tensor]) -> Iterator[tuple[str, list[Tensor]]]:
        """Each layer's parameters side by side, then those of the whole network."""
        for part in self.units.parts:
            yield part.name, [_side_by_side(each, part.tensors) for each in sums]
        everything = [tensor for part in self.units.parts for tensor in part.tensors]
        yield "*", [_side_by_side(each, everything) for each in sums]

    def _directions(self, whole: Sums) -> Given:
        """Of the whole network only: a direction is that of the whole gradient."""
        names, own = [name for part in self.units.parts for name in part.tensors], whole.directions
        gram = np.zeros((len(own), len(own)))
        seen = [a for a, each in enumerate(own) if each]
        for a in seen:
            for b in (b for b in seen if b <= a):
                gram[a, b] = gram[b, a] = sum(float(own[a][n].reshape(-1).dot(own[b][n].reshape(-1))) for n in names)
        yield "*", "all", Directions(gram, np.array(whole.directed))

    def _dots(self, whole: Sums, step: int, shared: dict[str, Any]) -> Given:
        if "dots" not in shared:
            shared["dots"] = self._take_dots(whole)
        corrupt = self.corrupt[self.sample]
        for layer, values in shared["dots"].items():
            yield layer, "all", Dots(values, corrupt, self._worlds, step)

    def _take_dots(self, whole: Sums) -> dict[str, npt.NDArray[np.float64]]:
        """g_i . S of every example of the sample, in its order, per layer and `*`."""
        units = self._examples
        dtypes = {name: parameter.dtype for name, parameter in units.engine.parameters.items()}
        direction = {name: total.to(dtypes[name]) for name, total in whole.total.items()}
        found: dict[str, list[Tensor]] = {part.name: [] for part in units.parts}

        def work(part: slice) -> dict[str, Tensor]:
            index = torch.from_numpy(self.sample[part]).to(self.x.device)
            record, _ = units.record(self.x[index], self.y[index], mean_gradient=False)
            return record.dots(direction)

        with units.mode():
            for one in units.chunks.over(len(self.sample), work):
                for name, values in one.items():
                    found[name].append(values)
        units.seen += len(self.sample)
        dots = {name: torch.cat(values).cpu().numpy() for name, values in found.items()}
        return {**dots, "*": np.sum(list(dots.values()), axis=0)}

    def _held_out(self, examples: int, found: Sample, shared: dict[str, Any]) -> Given:
        key = f"held-out {examples}"
        if key not in shared:
            chosen = stream(self.seed, "held-out").permutation(len(self.test_y))[:examples]
            with self.units.mode():
                shared[key] = self.units.cell(self.test_x, self.test_y, chosen, Keep())
            shared[key].settle()
        held: Sums = shared[key]
        for name, (total, other) in self._flat(found.whole.total, held.total):
            dots = (float(total.dot(total)), float(total.dot(other)), float(other.dot(other)))
            yield name, "all", HeldOutSums(found.whole.n, held.n, *dots)

    def _gram(self, examples: int, shared: dict[str, Any]) -> Given:
        """The Gram matrix of the largest subsample asked for; smaller ones begin it."""
        if "gram" not in shared:
            most = max(one.examples for one in self.choices if INSTRUMENTS[one.name].facts == "gram")  # type: ignore[attr-defined]
            shared["gram"] = self._take_gram(self.sample[:most])
        labels = self.y[torch.from_numpy(self.sample[:examples]).to(self.y.device)].cpu().numpy()
        for layer, values in shared["gram"].items():
            yield layer, "all", Gram(values[:examples, :examples], labels)

    def _take_gram(self, chosen: Indices) -> dict[str, npt.NDArray[np.float64]]:
        units = self._examples
        index = torch.from_numpy(chosen).to(self.x.device)
        with units.mode():
            record, _ = units.record(self.x[index], self.y[index], mean_gradient=False)
            found = {name: values.cpu().numpy() for name, values in record.gram().items()}
        units.seen += len(chosen)
        return {**found, "*": np.sum(list(found.values()), axis=0)}

    @property
    def _examples(self) -> ExampleUnits:
        assert isinstance(self.units, ExampleUnits)
        return self.units

    def _worlds(self, count: int) -> npt.NDArray[np.bool_]:
        return self._dealt[:count]

    @cached_property
    def _dealt(self) -> npt.NDArray[np.bool_]:
        """Tags of the null worlds, the same at every step: shuffled among the examples of the sample."""
        count = max(getattr(one, "worlds", 0) for one in self.choices)
        worlds = np.tile(self.corrupt[self.sample], (count, 1))
        return stream(self.seed, "null-worlds").permuted(worlds, axis=1)


def _row(reading: Reading, group: str) -> Columns:
    return {
        "quantity": reading.quantity,
        "group": reading.group or group,
        "n": reading.n,
        "value": reading.value,
        "low": reading.low,
        "high": reading.high,
        "undefined": reading.reason,
    }


def _side_by_side(tensors: dict[str, Tensor], names: Sequence[str]) -> Tensor:
    return torch.cat([tensors[name].reshape(-1) for name in names])
