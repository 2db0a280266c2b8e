"""The trials of a launch in waves: one Tuner after the other, since what Tune holds grows with each trial."""

from collections.abc import Sequence
from pathlib import Path

import ray
from ray import tune

from orchestrator import retries
from orchestrator.endings import Endings
from orchestrator.launch import Launch
from orchestrator.resources import Node
from orchestrator.scratch import environment
from orchestrator.shapes import Shapes
from orchestrator.tune.events import Events, StopWhenIdle, name_of
from orchestrator.tune.worker import Worker, placement
from trainables.spec import TrialSpec, canonical_json, trial_id

WAVE = 1000
"""Trials per Tuner: the driver's Tune state grows with each."""

RETRIES = sum(retries.RETRIES.values())
"""Times that Tune starts a trial again; the worker looks first whether the trial's failures allow it."""


def run_waves(
    specs: Sequence[TrialSpec], launch: Launch, shapes: Shapes, nodes: Sequence[Node], scratch: Path, endings: Endings
) -> Shapes:
    """Once through all of these, until a stop is asked for; the shapes that those who are left would take."""
    for first in range(0, len(specs), WAVE):
        wave = specs[first : first + WAVE]
        while wave and not launch.switch.requested:
            _run_wave(wave, launch, shapes, shapes.at_once(nodes), scratch, endings)
            wave = endings.left(wave)
            shapes = shapes.fewer(nodes) if wave else shapes
    return shapes


def _run_wave(
    specs: Sequence[TrialSpec], launch: Launch, shapes: Shapes, at_once: int, scratch: Path, endings: Endings
) -> None:
    points = [
        {
            "trial_id": identity,
            "spec": canonical_json(spec),
            "first_attempt": endings.first_attempt(identity),
            "resources": shapes.of(spec).model_dump(),
            "memory": shapes.memory(spec),
        }
        for identity, spec in ((trial_id(spec), spec) for spec in specs)
    ]
    events = Events(endings, launch.observer)
    trainable = tune.with_parameters(Worker, launch=launch.for_workers)
    tuner = tune.Tuner(
        tune.with_resources(trainable, placement),
        param_space={"trial": tune.grid_search(points)},
        tune_config=tune.TuneConfig(reuse_actors=True, trial_name_creator=name_of, trial_dirname_creator=name_of),
        run_config=tune.RunConfig(
            name=f"wave-{points[0]['trial_id']}",
            storage_path=str(scratch / "tune"),
            verbose=0,
            callbacks=[events],
            stop=StopWhenIdle(launch.switch, events, launch.observer),
            failure_config=tune.FailureConfig(max_failures=RETRIES),
            checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),  # we have our own
        ),
    )
    try:
        with environment({"TUNE_MAX_PENDING_TRIALS_PG": str(at_once)}):
            tuner.fit()
    except RuntimeError as error:
        # Tune gives up altogether when the memory monitor kills a worker: the rest of the wave is run anew.
        if not isinstance(error.__cause__, ray.exceptions.OutOfMemoryError):
            raise
        endings.killed(events.running, error.__cause__)
    else:
        endings.wave_ended(specs)
    if endings.fatal is not None:
        raise endings.fatal
