"""What a trial costs, roughly: CPU seconds and bytes, from its spec alone.

Seconds of one thread of an ordinary processor. A step costs per layer, per multiply-add and per number that a layer
puts out; measuring and evaluating cost a multiple of training an example. The constants were fitted to the seven
built-in models; the whole is meant to be right within a factor of about three.
"""

from dataclasses import dataclass

from orchestrator.geometry import Layer, layers_of
from trainables.instruments import INSTRUMENTS
from trainables.schedules import digest_steps, steps_of
from trainables.spec import TrialSpec

START_S = 2.0
"""Seconds to load data and build a model."""
STEP_S, LAYER_S = 5.0e-4, 1.0e-4
"""Seconds that a step costs whatever its size, and more for each layer."""
MAC_S, OUTPUT_S = 8.6e-11, 7.0e-9
"""Seconds of training one example, forward and backward: per multiply-add, and per number that a layer puts out."""
ONLINE = 0.65
"""Measuring a batch's examples one by one, relative to training on the batch."""
PROBE, PROBE_S, PROBE_LAYER_S = 2.1, 0.01, 5.0e-4
"""A pass of the probe: per example, relative to training on it; per pass; per pass and layer."""
EVALUATE = 0.4
"""Evaluating an example, relative to training on it."""
ROW_S = 5.5e-10
"""Seconds per gradient coordinate of one example, where an aggregator or an instrument handles rows."""
WIDE_RATE = 1.0e11
"""Operations a second of large matrix products."""

DONE_BYTES, FILE_BYTES = 27_000, 7_000
"""The rows of `trials` and `attempts`; a Parquet file of another table, without its rows."""
ROW_BYTES = {"steps": 75, "layers": 50, "evals": 60, "examples": 8, "instruments": 40, "digests": 15}
PER_INSTRUMENT = 60
"""Rows that an instrument leaves at one step, in the order of magnitude."""


@dataclass(frozen=True)
class Work:
    """CPU seconds by what they go into."""

    start: float
    training: float
    evaluating: float
    probing: float

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.start + self.training + self.evaluating + self.probing


def rough_seconds(spec: TrialSpec) -> float:
    """CPU seconds of a whole trial."""
    return rough_work(spec).seconds


def rough_work(spec: TrialSpec) -> Work:
    """CPU seconds of a whole trial, by part."""
    layers, steps, online = layers_of(spec), spec.total_steps, spec.measure.online
    example = _example_seconds(layers)
    step = STEP_S + LAYER_S * len(layers) + spec.batch_size * (example + _row_seconds(spec, layers))
    plain = STEP_S + LAYER_S * len(layers) + spec.batch_size * example
    measured = steps / online.every if online else 0.0
    # A unit other than the example is measured in a pass of its own.
    relative = ONLINE if spec.estimator.name == "example" else 1.0 + ONLINE
    split = spec.dataset_facts.train + spec.dataset_facts.test
    evaluations = len(steps_of(spec.measure.evaluate.schedule, steps))
    return Work(
        start=START_S,
        training=steps * step
        + spec.steps_beforehand * plain
        + measured * relative * (step - spec.batch_size * _row_seconds(spec, layers)),
        evaluating=evaluations * split * EVALUATE * example,
        probing=_probe_seconds(spec, layers, example),
    )


def rough_bytes(spec: TrialSpec) -> float:
    """Bytes that a finished trial takes in the store, its checkpoints gone."""
    rows = rough_rows(spec)
    content = sum(FILE_BYTES + ROW_BYTES[table] * number for table, number in rows.items() if number)
    return DONE_BYTES + content


def rough_rows(spec: TrialSpec) -> dict[str, float]:
    """Rows that a trial writes, by table."""
    measure, steps, layers = spec.measure, spec.total_steps, len(layers_of(spec)) + 1
    noisy = spec.corruption.name in ("permuted-labels", "uniform-labels")
    online = len(steps_of(measure.online.layers, max(steps - 1, 0))) if measure.online else 0
    groups = 3 if noisy and measure.probe and measure.probe.groups else 1
    probed = len(spec.probe_steps) * groups * len(measure.probe.at) if measure.probe else 0
    return {
        "steps": steps / measure.online.every if measure.online else 0.0,
        "layers": layers * (online + probed),
        "evals": (4 if noisy else 2) * len(steps_of(measure.evaluate.schedule, steps)),
        "examples": spec.dataset_facts.train,
        "instruments": PER_INSTRUMENT * sum(len(due) for due in spec.instrument_steps.values()),
        # Weight and bias of each layer, and three of each batch: the last step has none.
        "digests": (2 * layers + 1) * len(digest_steps(steps)) - 3,
    }


def _example_seconds(layers: list[Layer]) -> float:
    """Training on one example of a batch."""
    return sum(MAC_S * layer.macs + OUTPUT_S * layer.outputs for layer in layers)


def _row_seconds(spec: TrialSpec, layers: list[Layer]) -> float:
    """What an aggregator of rows adds for each example."""
    by_rows = spec.aggregator.name in ("winsorized", "trimmed-mean", "coordinate-median", "norm-clipped")
    return ROW_S * sum(layer.parameters for layer in layers) if by_rows else 0.0


def _probe_seconds(spec: TrialSpec, layers: list[Layer], example: float) -> float:
    """Passes over the probe's sample, each at every point of `at`, and what the instruments make of them."""
    probe = spec.measure.probe
    if probe is None:
        return 0.0
    due = spec.instrument_steps
    passes = len(spec.probe_steps.union(*due.values()))
    again = len(frozenset[int]().union(*(due[name] for name in due if _reads(name) == "dots")))
    parameters = sum(layer.parameters for layer in layers)
    one = PROBE_S + PROBE_LAYER_S * len(layers) + spec.probe_examples * PROBE * example
    extra = sum(
        len(due[choice.name]) * _instrument_seconds(choice, spec, parameters, example)
        for choice in spec.measure.instruments
    )
    return len(probe.at) * ((passes + again) * one + extra)


def _instrument_seconds(choice: object, spec: TrialSpec, parameters: int, example: float) -> float:
    """One reading, beyond the pass that it reads."""
    reads, examples = _reads(choice.name), getattr(choice, "examples", spec.probe_examples)  # type: ignore[attr-defined]
    if reads == "gram":
        return examples * (ROW_S * parameters + PROBE * example) + 2.0 * examples**2 * parameters / WIDE_RATE
    if reads == "held-out":
        return examples * example
    return spec.probe_examples * ROW_S * parameters if reads in ("moments", "directions") else 0.0


def _reads(name: str) -> str:
    return str(INSTRUMENTS[name].facts)
