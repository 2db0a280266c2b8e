"""What runs in a worker: one actor of Tune, used for one trial after the other."""

import gc
from dataclasses import replace
from typing import Any

import ray
from ray import tune

from orchestrator import preempt
from orchestrator.families import family_key
from orchestrator.launch import ForWorkers
from orchestrator.probe_device import cap_memory
from orchestrator.resources import Resources
from orchestrator.retries import run_with_retries
from orchestrator.stop import StopPoll, family_flag
from orchestrator.worker_check import require_fit
from trainables.code import allowed
from trainables.spec import parse_spec


class Worker(tune.Trainable):
    """Runs in the worker, in its main thread, where SIGTERM can be heeded: one step is one whole trial."""

    def setup(self, config: dict[str, Any], launch: ForWorkers) -> None:  # type: ignore[override]
        """Tune calls it once, with what `with_parameters` bound."""
        del config
        self._launch, self._is_new = launch, True

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """The process is used again; each attempt begins by resetting it."""
        del new_config
        return True

    def step(self) -> dict[str, Any]:
        """A whole trial; its result is the only one that Tune gets of it."""
        with preempt.heeded(), allowed(self._launch.options.code):
            result = run_point(self.config, self._launch)
        if preempt.told():
            ray.actor.exit_actor()
        if self._is_new:
            self._is_new = False
            _keep_what_is_loaded()
        return {**result, "done": True}


def placement(config: dict[str, Any]) -> tune.PlacementGroupFactory:
    """What a trial occupies."""
    wanted = Resources.model_validate(config["trial"]["resources"])
    return tune.PlacementGroupFactory([{"CPU": wanted.cpu, **({"GPU": wanted.gpu} if wanted.gpu else {})}])


def run_point(config: dict[str, Any], launch: ForWorkers) -> dict[str, str]:
    """The result travels as Tune's last report."""
    point, asked, again = config["trial"], StopPoll(launch.flag), list[str]()

    def stopped() -> bool:
        return preempt.told() or asked()

    if stopped():
        return {"outcome": "interrupted"}
    require_fit(launch, point["spec"])
    spec = parse_spec(point["spec"])
    if family_flag(launch.flag, family_key(spec)).exists():
        return {"outcome": "interrupted"}
    options = replace(
        launch.options,
        first_attempt=point["first_attempt"],
        estimated_s=launch.estimates.get(point["trial_id"]),
    )
    if point["memory"] is not None:
        cap_memory(point["memory"])
    outcome = run_with_retries(spec, options, stopped, again.append, attempt=launch.attempt)
    return {"outcome": outcome, "again": " ".join(again)}


def _keep_what_is_loaded() -> None:
    """Looking through all that torch and its like have loaded, for garbage of the trial before, would take longer than
    a short trial; from here on only what is newer is looked through."""
    gc.collect()
    gc.freeze()
