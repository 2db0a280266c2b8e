"""What the plan expects of a launch as a whole; it goes into the provenance of its trials, for the report."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from orchestrator.attempt import RunOptions
from orchestrator.provenance import with_launch
from orchestrator.resources import Node, Resources
from orchestrator.rooms import last_end
from orchestrator.shapes import Shapes
from trainables.spec import TrialSpec, trial_id

ONE: Sequence[Node] = ({"CPU": 1.0},)
"""Where a run without Ray takes place: one trial at a time."""


def with_expectation(
    options: RunOptions,
    specs: Sequence[TrialSpec],
    estimates: Mapping[str, float],
    shapes: Shapes = Shapes(Resources()),  # noqa: B008 - frozen
    nodes: Sequence[Node] = ONE,
) -> RunOptions:
    """The options, with the launch, when it began, its trials and the seconds until the last of them is expected to
    end, the start of nodes and workers not counted; as they are where not every trial has an estimate."""
    ids = [trial_id(spec) for spec in specs]
    if not options.driver or not all(identity in estimates for identity in ids):
        return options
    timed = [(estimates[identity], shapes.of(spec)) for identity, spec in zip(ids, specs, strict=True)]
    facts = {
        "id": options.driver,
        "began": time.time(),
        "trials": len(ids),
        "at_once": shapes.at_once(nodes),
        "wall_s": last_end(timed, nodes),
    }
    return replace(options, provenance=with_launch(options.provenance, **facts))
