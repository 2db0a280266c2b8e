"""TrialSpec: what may change a trial's numbers, and nothing else; its canonical JSON and its id.

Torch-free. A spec is frozen and validated as a whole when it is made: a spec that exists can be run.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from trainables.aggregators import AGGREGATORS, tail_count
from trainables.augmentations import AUGMENTATIONS
from trainables.beginnings import Difficulty, Pretrained
from trainables.choosing import choice_type
from trainables.corruptions import CORRUPTIONS
from trainables.datasets import DATASETS, DatasetFacts, facts_of
from trainables.instruments import INSTRUMENTS
from trainables.losses import LOSSES
from trainables.measuring import Measure
from trainables.models import MODELS
from trainables.optim import OPTIMIZERS
from trainables.rates import SCHEDULES
from trainables.registry import Choice, Entry, Frozen, Integer, Real, Surroundings
from trainables.schedules import MAX_POINTS, points, steps_of
from trainables.units import ESTIMATORS

REGISTRIES: dict[str, Mapping[str, Entry]] = {
    "dataset": DATASETS,
    "model": MODELS,
    "corruption": CORRUPTIONS,
    "aggregator": AGGREGATORS,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "loss": LOSSES,
    "augmentation": AUGMENTATIONS,
    "estimator": ESTIMATORS,
}
"""Fields of a spec that are choices."""

ALL_REGISTRIES: dict[str, Mapping[str, Entry]] = {**REGISTRIES, "instrument": INSTRUMENTS}
"""Everything that a sweep file can name."""


class Stop(Frozen):
    """When a trial ends before its last epoch.

    max_steps: its length in updates; the trial is then complete. train_loss, train_accuracy: reached by the whole
    training set (given labels) at an evaluation; the trial is then stopped, said so in `trials`.
    """

    max_steps: Annotated[Integer, Field(ge=1)] | None = None
    train_loss: Annotated[Real, Field(gt=0.0)] | None = None
    train_accuracy: Annotated[Real, Field(gt=0.0, le=1.0)] | None = None


def _refuse_low_precision(given: object) -> object:
    if given in ("bfloat16", "float16", "half", "bf16", "fp16", "mixed", "amp", "tf32"):
        raise ValueError(
            f"{given} is not measured: squared norms of single examples leave its range, and ||S||^2 - Q cancels;"
            " expected 'float32' or 'float64'."
        )
    return given


def _refuse_compiled(given: object) -> object:
    if given is True:
        raise ValueError(
            "a compiled model is not measured: its fused backward pass has no output gradients of single layers."
            " Leave it out."
        )
    return given


DType = Annotated[Literal["float32", "float64"], BeforeValidator(_refuse_low_precision)]
Compiled = Annotated[Literal[False], BeforeValidator(_refuse_compiled)]


class TrialSpec(Frozen):
    """One trial. Fields with a default may be left out and then do not enter the id; a released default never changes.

    version: of this format, always in the id.
    schedule: of the learning rate; `measure` has its own.
    batch_size: examples a step; a short last batch of an epoch is dropped.
    epochs: passes over the training set.
    seed: all streams derive from (seed, purpose); nothing else enters them.
    init: torch's own initialisation; all zeros (the linear example); `cg20`: N(0, 1) 2 / sqrt(fan_in + fan_out), biases
    0; or the weights that a training on other labels ends with.
    difficulty: train on the easy or the hard part of the training set alone.
    engine: `exact` takes statistics beside autograd's own weight gradient; `fused` lets the sum of the examples' rows
    be the weight gradient, at every step, measured or not.
    estimator: what one unit of measurement is.
    augmentation: of the training pass only.
    stop: when it ends early.
    compile: refused; named so that the refusal says why.
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
    init: Literal["default", "zeros", "cg20"] | Pretrained = "default"
    difficulty: Difficulty | None = None
    engine: Literal["exact", "fused"] = "exact"
    estimator: choice_type("estimator", ESTIMATORS) = ESTIMATORS["example"].params(name="example")  # type: ignore[valid-type]
    augmentation: choice_type("augmentation", AUGMENTATIONS) = AUGMENTATIONS["none"].params(name="none")  # type: ignore[valid-type]
    dtype: DType = "float32"
    compile: Compiled = False
    stop: Stop = Stop()
    measure: Measure = Measure()

    @model_validator(mode="after")
    def _works(self) -> Self:
        self._check_difficulty()
        self._check_points()
        size = self.dataset_facts.train
        if self.batch_size > size:
            raise ValueError(f"batch_size {self.batch_size} is larger than the {size} training examples.")
        probe = self.measure.probe
        if probe is not None and probe.examples != "all" and probe.examples + probe.skip > size:
            skipped = f" with skip {probe.skip}" if probe.skip else ""
            raise ValueError(
                f"measure.probe.examples {probe.examples}{skipped} is larger than the {size} training examples;"
                " use a smaller number or 'all'."
            )
        if probe is not None and probe.examples == "all" and probe.skip > size - 2:
            raise ValueError(f"measure.probe.skip {probe.skip} leaves fewer than 2 of the {size} training examples.")
        around = Surroundings(
            batch_size=self.batch_size,
            dataset=self.dataset.name,
            shape=self.dataset_facts.shape,
            epochs=self.epochs,
            has_momentum=getattr(self.optimizer, "has_momentum", False),
            model=self.model.name,
            estimator=self.estimator.name,
            mixes_examples=self.mixes_examples,
            online=self.measure.online is not None,
            probe_examples=self.probe_examples,
        )
        before = [self.init.corruption] if isinstance(self.init, Pretrained) else []
        for choice in (*(getattr(self, field) for field in REGISTRIES), *before):
            choice.check(around)
        self._check_engine()
        self._check_measuring(around)
        return self

    def _check_points(self) -> None:
        """Before any schedule is written out step by step."""
        measure = self.measure
        schedules = {"measure.evaluate.schedule": measure.evaluate.schedule}
        if measure.online is not None:
            schedules["measure.online.layers"] = measure.online.layers
        if measure.probe is not None:
            schedules["measure.probe.schedule"] = measure.probe.schedule
        for one in measure.instruments:
            if one.schedule is not None:
                schedules[f"the schedule of {one.name}"] = one.schedule
        for where, schedule in schedules.items():
            if (found := points(schedule, self.total_steps)) > MAX_POINTS:
                raise ValueError(
                    f"{where} names {found} of {self.total_steps} steps; at most {MAX_POINTS}: use a larger 'every'."
                )

    def _check_difficulty(self) -> None:
        if self.difficulty is None:
            return
        trained, held = self.difficulty.sizes(facts_of(self.dataset).train)
        if min(trained, held) < 1:
            raise ValueError(
                f"difficulty: a side of {trained + held} examples leaves {trained} to train on and {held} held out;"
                " use a larger part, or another held_out."
            )

    def _check_engine(self) -> None:
        if self.engine == "fused" and self.estimator.name != "example":
            raise ValueError(
                f"engine fused adds up the gradients of the training pass's examples; given estimator"
                f" {self.estimator.name}, which measures in passes of its own, expected example. Leave engine out."
            )

    def _check_measuring(self, around: Surroundings) -> None:
        names = [instrument.name for instrument in self.measure.instruments]
        if repeated := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"measure.instruments names {', '.join(sorted(repeated))} more than once; keep one.")
        for instrument in self.measure.instruments:
            instrument.check(around)
        needs = AGGREGATORS[self.aggregator.name].facts
        if self.mixes_examples and needs in ("rows", "norms"):
            raise ValueError(
                f"aggregator {self.aggregator.name} needs the gradient of every example, which model"
                f" {self.model.name!r} with batch normalisation does not have. Use median-of-3, a rolling rule or"
                " mean, or norm: group."
            )
        if self.measure.budget is not None and self.measure.probe is not None and self.probe_examples < 2:
            least = (2 * self._probe_passes + self._few_examples) / (self.total_steps * self.batch_size)
            raise ValueError(
                f"measure.budget {self.measure.budget:g} leaves fewer than 2 examples for each of"
                f" {self._probe_passes} passes of the probe; use at least {least:.3g}, or a thinner schedule."
            )
        for instrument in self.measure.instruments:
            self._check_size(instrument)

    def _check_size(self, instrument: Choice) -> None:
        """An instrument with a number of its own finds that many examples."""
        facts, examples = INSTRUMENTS[instrument.name].facts, getattr(instrument, "examples", 0)
        whole = self.dataset_facts.test if facts == "held-out" else self.probe_examples
        if examples > whole:
            what = "test examples" if facts == "held-out" else "examples of the probe"
            raise ValueError(f"instrument {instrument.name}: examples {examples} is more than the {whole} {what}.")

    @property
    def dataset_facts(self) -> DatasetFacts:
        """Plain facts of the data set with its parameters; `train`: examples that are trained on."""
        facts = facts_of(self.dataset)
        return facts if self.difficulty is None else replace(facts, train=self.difficulty.sizes(facts.train)[0])

    @property
    def steps_beforehand(self) -> int:
        """Plain updates before the trial's first step: to sort examples, and to begin from other weights."""
        sorting = 0 if self.difficulty is None else self.difficulty.sort_epochs
        pretraining = self.init.epochs if isinstance(self.init, Pretrained) else 0
        return sorting * (facts_of(self.dataset).train // self.batch_size) + pretraining * self.steps_per_epoch

    @property
    def steps_per_epoch(self) -> int:
        """Full batches in the training set."""
        return self.dataset_facts.train // self.batch_size

    @property
    def total_steps(self) -> int:
        """Updates in the whole trial, unless a target stops it."""
        return min(self.steps_per_epoch * self.epochs, self.stop.max_steps or 2**63)

    @property
    def mixes_examples(self) -> bool:
        """Whether the model lets the examples of a batch see each other."""
        return bool(getattr(self.model, "mixes_examples", False))

    @property
    def probe_examples(self) -> int:
        """Size of the probe sample, within the budget; 0 without a probe."""
        probe = self.measure.probe
        if probe is None:
            return 0
        wanted = self.dataset_facts.train - probe.skip if probe.examples == "all" else probe.examples
        if self.measure.budget is None:
            return wanted
        left = self.measure.budget * self.total_steps * self.batch_size - self._few_examples
        return min(wanted, int(left / self._probe_passes))

    @property
    def probe_steps(self) -> frozenset[int]:
        """Steps at which the probe's rows are due."""
        probe = self.measure.probe
        return steps_of(probe.schedule, self.total_steps) if probe else frozenset()

    @property
    def instrument_steps(self) -> dict[str, frozenset[int]]:
        """Steps at which each instrument is due: its own schedule, else the probe's."""
        return {
            one.name: self.probe_steps if one.schedule is None else steps_of(one.schedule, self.total_steps)
            for one in self.measure.instruments
        }

    @property
    def _probe_passes(self) -> int:
        """Passes over the sample in the whole trial: one for each point in weight space at each due step, and one
        more where an instrument looks at the examples again once their sum is known."""
        probe = self.measure.probe
        if probe is None:
            return 0
        due = self.instrument_steps
        again = [steps for name, steps in due.items() if INSTRUMENTS[name].facts == "dots"]
        once = self.probe_steps.union(*due.values())
        return len(probe.at) * (len(once) + len(frozenset().union(*again)))

    @property
    def _few_examples(self) -> int:
        """Examples that instruments with a number of their own take in the whole trial: each held-out set, and at each
        step the largest Gram matrix."""
        probe, due = self.measure.probe, self.instrument_steps
        chosen = {
            one.name: (INSTRUMENTS[one.name].facts, getattr(one, "examples", 0)) for one in self.measure.instruments
        }
        held = sum(len(due[name]) * size for name, (facts, size) in chosen.items() if facts == "held-out")
        grams = {name: size for name, (facts, size) in chosen.items() if facts == "gram"}
        steps = frozenset().union(*(due[name] for name in grams))
        pairs = len(steps) * max(grams.values(), default=0)
        return len(probe.at) * (held + pairs) if probe else 0

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
