"""How long a trial will take: a rough shipped model, and a better one from trials already in the store.

The rough model counts floating-point operations of training, probing and evaluating and divides by a rate
seen on one thread of an ordinary processor; it is meant to be right within a factor of about three.
"""

from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise
from math import prod
from statistics import median

from orchestrator.reading import Damage
from orchestrator.states import last_attempt
from orchestrator.store import Store
from trainables.schedules import steps_of
from trainables.spec import TrialSpec, parse_spec

RATE = 5.0e10
"""Operations a second in a training step."""
WIDE_RATE = 1.0e11
"""Operations a second where many examples go through at once: probes and evaluations."""
START_S = 2.0
"""Seconds to load data and build a model."""
STEP_S = 6.0e-4
"""Seconds a step costs whatever its size."""
ROW_S = 5.5e-10
"""Seconds per gradient coordinate of one example where an aggregator handles rows."""
UNKNOWN_FLOPS = 1.0e7
"""Operations of one example's forward pass in a model that is not in the table."""
SAMPLE = 200
"""Trials of the store that are looked at."""

Kind = tuple[str, str, str]


class Estimator:
    """Seconds of one thread by spec; `measured` says whether the store had something to go by."""

    def __init__(self, seconds_per_work: dict[Kind, float] | None = None) -> None:
        self._scales = seconds_per_work or {}

    @property
    def measured(self) -> bool:
        """Whether any estimate rests on trials of the store."""
        return bool(self._scales)

    def knows(self, spec: TrialSpec) -> bool:
        """Whether trials of this data set, model and aggregator were measured."""
        return _kind(spec) in self._scales

    def seconds(self, spec: TrialSpec) -> float:
        """CPU seconds that a trial will take."""
        general = median(self._scales.values()) if self._scales else 1.0
        return rough_seconds(spec) * self._scales.get(_kind(spec), general)


def estimator_from(store: Store, trial_ids: Iterable[str]) -> Estimator:
    """Learns how much longer trials took than the rough model says, by data set, model and aggregator.

    Only trials whose newest attempt ran from the first step to the last are used.
    """
    damage, ratios = Damage(), defaultdict[Kind, list[float]](list)
    for identity in list(trial_ids)[:SAMPLE]:
        rows = damage.rows(store.trial_file(identity), ["spec", "outcome"])
        attempt = last_attempt(store, identity, ["outcome", "start_step", "cpu_s"], damage)
        seconds = attempt.get("cpu_s")
        if rows and attempt.get("outcome") == "completed" and attempt.get("start_step") == 0:
            assert isinstance(seconds, float)
            spec = parse_spec(rows[0]["spec"])
            ratios[_kind(spec)].append(seconds / rough_seconds(spec))
    return Estimator({kind: median(found) for kind, found in ratios.items()})


def rough_seconds(spec: TrialSpec) -> float:
    """CPU seconds of a trial by the shipped model."""
    forward, coordinates = _forward_flops(spec), _forward_flops(spec) / 2
    by_rows = spec.aggregator.name in ("winsorized", "trimmed-mean", "coordinate-median", "norm-clipped")
    per_step = STEP_S + spec.batch_size * (3 * forward / RATE + (ROW_S * coordinates if by_rows else 0.0))
    online, probe = spec.measure.online, spec.measure.probe
    measured_steps = spec.total_steps / online.every if online else 0.0
    probes = len(steps_of(probe.schedule, spec.total_steps)) if probe else 0
    evaluations = len(steps_of(spec.measure.evaluate.schedule, spec.total_steps))
    split = spec.dataset_facts.train + spec.dataset_facts.test
    return (
        START_S
        + spec.total_steps * per_step
        + measured_steps * (STEP_S + spec.batch_size * forward / RATE)
        + probes * spec.probe_examples * 5 * forward / WIDE_RATE
        + evaluations * split * forward / WIDE_RATE
    )


def _forward_flops(spec: TrialSpec) -> float:
    """Two operations per multiply-add of one example's forward pass."""
    facts = spec.dataset_facts
    if spec.model.name == "mlp":
        widths = [prod(facts.shape), *spec.model.widths, facts.classes]
        return 2.0 * sum(a * b for a, b in pairwise(widths))
    if spec.model.name == "lenet":
        # Two 5x5 convolutions and three small layers; small kernels run at about a third of the rate.
        return 3 * 2.0 * (prod(facts.shape) * 150 + 300_000)
    return UNKNOWN_FLOPS


def _kind(spec: TrialSpec) -> Kind:
    model = spec.model.model_dump_json()
    return spec.dataset.name, model, spec.aggregator.name
