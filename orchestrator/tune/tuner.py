"""One Tuner that runs any number of trials: fed one by one, and told to forget those that are over."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import ray
from ray import tune

from orchestrator import retries
from orchestrator.endings import Endings
from orchestrator.launch import Launch
from orchestrator.resources import Node
from orchestrator.scratch import environment
from orchestrator.shapes import Shapes
from orchestrator.tune.events import Events, StopWhenIdle, name_of
from orchestrator.tune.feed import Feed, Room
from orchestrator.tune.forget import Forgetful
from orchestrator.tune.worker import Worker, placement
from trainables.spec import TrialSpec, canonical_json, trial_id

RETRIES = sum(retries.RETRIES.values())
"""Times that Tune starts a trial again; the worker looks first whether the trial's failures allow it."""


def run_all(
    specs: Sequence[TrialSpec],
    launch: Launch,
    shapes: Shapes,
    look: Callable[[], Sequence[Node]],
    scratch: Path,
    endings: Endings,
) -> Shapes:
    """Once through all of these, until a stop is asked for; the shapes that those who are left would take.

    look: the nodes at hand now.
    """
    left = list(specs)
    while left and not launch.switch.requested:
        _fit(left, launch, shapes, Room(shapes, look), scratch, endings)
        left = endings.left(left)
        shapes = shapes.fewer(look()) if left else shapes
    return shapes


def _fit(
    specs: Sequence[TrialSpec], launch: Launch, shapes: Shapes, room: Room, scratch: Path, endings: Endings
) -> None:
    events = Events(endings, launch.observer)
    trainable = tune.with_parameters(Worker, launch=launch.for_workers)
    tuner = tune.Tuner(
        tune.with_resources(trainable, placement),
        tune_config=tune.TuneConfig(
            search_alg=Feed(_points(specs, shapes, endings), room, lambda: launch.switch.requested),
            num_samples=len(specs),
            scheduler=Forgetful(),
            reuse_actors=True,
            trial_name_creator=name_of,
            trial_dirname_creator=name_of,
        ),
        run_config=tune.RunConfig(
            name=f"from-{trial_id(specs[0])}",
            storage_path=str(scratch / "tune"),
            verbose=0,
            callbacks=[events],
            stop=StopWhenIdle(launch.switch, events, launch.observer),
            failure_config=tune.FailureConfig(max_failures=RETRIES),
            checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),  # we have our own
        ),
    )
    try:
        with environment({"TUNE_MAX_PENDING_TRIALS_PG": str(room())}):
            tuner.fit()
    except RuntimeError as error:
        # Tune gives up altogether when the memory monitor kills a worker: what is left is run anew.
        if not isinstance(error.__cause__, ray.exceptions.OutOfMemoryError):
            raise
        endings.killed(events.running, error.__cause__)
    else:
        endings.all_ended(specs)
    if endings.fatal is not None:
        raise endings.fatal


def _points(specs: Sequence[TrialSpec], shapes: Shapes, endings: Endings) -> Iterator[dict[str, Any]]:
    """What Tune knows of each trial."""
    for spec in specs:
        identity = trial_id(spec)
        yield {
            "trial_id": identity,
            "spec": canonical_json(spec),
            "first_attempt": endings.first_attempt(identity),
            "resources": shapes.of(spec).model_dump(),
            "memory": shapes.memory(spec),
        }
