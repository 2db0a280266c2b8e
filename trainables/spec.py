"""TrialSpec: what may change a trial's numbers, and nothing else; its canonical JSON and its id.

Torch-free. A spec is frozen and validated as a whole when it is made: a spec that exists can be run.
"""

import hashlib
import json
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from trainables.aggregators import AGGREGATORS, tail_count
from trainables.corruptions import CORRUPTIONS
from trainables.datasets import DATASETS, DatasetFacts, facts_of
from trainables.losses import LOSSES
from trainables.models import MODELS
from trainables.optim import OPTIMIZERS
from trainables.rates import SCHEDULES
from trainables.registry import Choice, Entry, Frozen, Integer, Surroundings, choice_type
from trainables.schedules import Schedule

REGISTRIES: dict[str, dict[str, Entry]] = {
    "dataset": DATASETS,
    "model": MODELS,
    "corruption": CORRUPTIONS,
    "aggregator": AGGREGATORS,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "loss": LOSSES,
}


class Online(Frozen):
    """Statistics of the training batch, before its update, every `every` steps; rows per layer on `layers`."""

    every: Annotated[Integer, Field(ge=1)] = 1
    layers: Schedule = "log"


class Probe(Frozen):
    """Statistics at frozen weights over a fixed sample of the training set, with its given labels."""

    examples: Annotated[Integer, Field(ge=2)] | Literal["all"] = 1000
    schedule: Schedule = "log"
    groups: tuple[Literal["corruption"], ...] = ("corruption",)


class Evaluate(Frozen):
    """Loss and accuracy on whole splits."""

    schedule: Schedule = "log"


class Measure(Frozen):
    """What is measured and when; null switches a part off."""

    online: Online | None = Online()
    probe: Probe | None = Probe()
    evaluate: Evaluate = Evaluate()


class TrialSpec(Frozen):
    """One trial. Fields with a default may be left out and then do not enter the id; a released default never changes.

    version: of this format, always in the id.
    schedule: of the learning rate; `measure` has its own.
    batch_size: examples a step; a short last batch of an epoch is dropped.
    epochs: passes over the training set.
    seed: all streams derive from (seed, purpose); nothing else enters them.
    init: torch's own initialisation, or all zeros (the linear example).
    engine: `exact` takes statistics beside autograd's own weight gradient.
    estimator: `example` measures one example as one unit.
    """

    version: Literal[1] = 1
    dataset: choice_type("dataset", DATASETS)  # type: ignore[valid-type]
    model: choice_type("model", MODELS)  # type: ignore[valid-type]
    corruption: choice_type("corruption", CORRUPTIONS) = CORRUPTIONS["none"].params(name="none")  # type: ignore[valid-type]
    aggregator: choice_type("aggregator", AGGREGATORS) = AGGREGATORS["mean"].params(name="mean")  # type: ignore[valid-type]
    optimizer: choice_type("optimizer", OPTIMIZERS)  # type: ignore[valid-type]
    schedule: choice_type("schedule", SCHEDULES) = SCHEDULES["constant"].params(name="constant")  # type: ignore[valid-type]
    loss: choice_type("loss", LOSSES) = LOSSES["cross-entropy"].params(name="cross-entropy")  # type: ignore[valid-type]
    batch_size: Annotated[Integer, Field(ge=1)]
    epochs: Annotated[Integer, Field(ge=1)]
    seed: Annotated[Integer, Field(ge=0, lt=2**63)]
    init: Literal["default", "zeros"] = "default"
    engine: Literal["exact"] = "exact"
    estimator: Literal["example"] = "example"
    dtype: Literal["float32", "float64"] = "float32"
    measure: Measure = Measure()

    @model_validator(mode="after")
    def _works(self) -> Self:
        size = self.dataset_facts.train
        if self.batch_size > size:
            raise ValueError(f"batch_size {self.batch_size} is larger than the {size} training examples.")
        probe = self.measure.probe
        if probe is not None and probe.examples != "all" and probe.examples > size:
            raise ValueError(
                f"measure.probe.examples {probe.examples} is larger than the {size} training examples;"
                " use a smaller number or 'all'."
            )
        around = Surroundings(
            batch_size=self.batch_size,
            dataset=self.dataset.name,
            shape=self.dataset_facts.shape,
            epochs=self.epochs,
            has_momentum=getattr(self.optimizer, "has_momentum", False),
        )
        for field in REGISTRIES:
            choice: Choice = getattr(self, field)
            choice.check(around)
        return self

    @property
    def dataset_facts(self) -> DatasetFacts:
        """Plain facts of the data set with its parameters."""
        return facts_of(self.dataset)

    @property
    def steps_per_epoch(self) -> int:
        """Full batches in the training set."""
        return self.dataset_facts.train // self.batch_size

    @property
    def total_steps(self) -> int:
        """Updates in the whole trial."""
        return self.steps_per_epoch * self.epochs

    @property
    def probe_examples(self) -> int:
        """Size of the probe sample; 0 without a probe."""
        probe = self.measure.probe
        if probe is None:
            return 0
        return self.dataset_facts.train if probe.examples == "all" else probe.examples

    @property
    def tail_count(self) -> int | None:
        """Values replaced in each tail, or None where the aggregator has no level."""
        level = getattr(self.aggregator, "level", None)
        return None if level is None else tail_count(level, self.batch_size)


def canonical_json(spec: TrialSpec) -> str:
    """Sorted keys, no spaces, shortest floats, no NaN, -0.0 as 0.0; defaulted fields left out; `version` always in."""
    content = {"version": spec.version, **spec.model_dump(mode="json", exclude_defaults=True)}
    return json.dumps(_plain_zero(content), sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)


def trial_id(spec: TrialSpec) -> str:
    """First 12 hex digits of SHA-256 over the canonical JSON."""
    return hashlib.sha256(canonical_json(spec).encode()).hexdigest()[:12]


def parse_spec(text: str) -> TrialSpec:
    """The spec that a canonical JSON text describes."""
    return TrialSpec.model_validate_json(text)


def _plain_zero(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain_zero(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain_zero(item) for item in value]
    return 0.0 if isinstance(value, float) and value == 0.0 else value
