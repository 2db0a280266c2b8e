"""Times the first steps of one trial of each kind, in this process; nothing is written to any store."""

import time
from collections.abc import Iterable
from itertools import pairwise
from statistics import mean

from orchestrator.cost import rough_seconds, rough_work
from orchestrator.fresh import reset_process
from orchestrator.kinds import Kind, kind_of
from trainables.schedules import Every
from trainables.spec import TrialSpec

SECONDS = 2.0
"""CPU seconds of steps that are timed of each kind; two steps at least."""

PATIENCE = 5.0
"""Times that long a kind may take altogether before its timing ends, at the next step's end."""

SPREAD = 1.5
"""Factor that a short timing is meant to be right within: a machine's pace and a trial's later steps differ."""


def calibrate(specs: Iterable[TrialSpec], seconds: float = SECONDS) -> dict[Kind, list[float]]:
    """Timed over roughly expected CPU seconds, of the first trial of each kind."""
    firsts: dict[Kind, TrialSpec] = {}
    for spec in specs:
        firsts.setdefault(kind_of(spec), spec)
    return {kind: [timed_seconds(spec, seconds) / rough_seconds(spec)] for kind, spec in firsts.items()}


def timed_seconds(spec: TrialSpec, seconds: float = SECONDS) -> float:
    """CPU seconds of the whole trial, from its first steps and one evaluation and probe at step 0.

    Steps are averaged, and multiplied by their number. The seconds of the evaluation and probe are scaled by what the
    rough model expects of all of them relative to these.
    """
    from trainables.sink import ListSink
    from trainables.trial import run_trial

    reset_process()
    sample, ends, began = thinned(spec), list[float](), time.process_time()

    def note(step: int, total: int) -> None:
        del step, total
        ends.append(time.process_time())

    def enough() -> bool:
        if len(ends) < 2:
            return False
        return ends[-1] - ends[0] >= seconds or ends[-1] - began >= PATIENCE * seconds

    result = run_trial(sample, ListSink(), should_stop=enough, on_step=note)
    points = 1 if result.outcome == "interrupted" else 2
    if len(ends) < 2:
        return time.process_time() - began
    step = mean(after - before for before, after in pairwise(ends))
    start = ends[0] - began - result.measure_s / points - step
    return start + step * spec.total_steps + result.measure_s / points * (_measuring(spec) / (_measuring(sample) / 2))


def thinned(spec: TrialSpec) -> TrialSpec:
    """The trial with evaluations, probes, instruments and rows per layer at the first and last step alone."""
    ends, measure = Every(every=spec.total_steps), spec.measure
    changes = {
        "online": measure.online and measure.online.model_copy(update={"layers": ends}),
        "probe": measure.probe and measure.probe.model_copy(update={"schedule": ends, "examples": spec.probe_examples}),
        "evaluate": measure.evaluate.model_copy(update={"schedule": ends}),
        "instruments": tuple(one.model_copy(update={"schedule": None}) for one in measure.instruments),
        "budget": None,
    }
    return spec.model_copy(update={"measure": measure.model_copy(update=changes)})


def _measuring(spec: TrialSpec) -> float:
    work = rough_work(spec)
    return work.evaluating + work.probing
