"""Other ways to run the trials of a sweep: a pool of processes, and plain Tune as its documentation shows it."""

import os
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.local_ray import local_ray
from orchestrator.attempt import RunOptions, run_attempt
from orchestrator.scratch import environment
from orchestrator.store import Store
from trainables.spec import TrialSpec, canonical_json

LOGGERS_ON = {"TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "0"}


def in_a_pool(specs: Sequence[TrialSpec], store: Store, slots: int) -> None:
    """The same attempts, in processes that know nothing of Ray."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with ProcessPoolExecutor(slots, mp_context=get_context("spawn")) as pool:
        outcomes = list(pool.map(partial(_attempt, RunOptions(str(store.root))), specs))
    assert set(outcomes) == {"completed"}, outcomes


def _attempt(options: RunOptions, spec: TrialSpec) -> str:
    return run_attempt(spec, options, _never)


def _never() -> bool:
    return False


def on_plain_tune(specs: Sequence[TrialSpec], slots: int, *, reuse: bool) -> list[float]:
    """When each trial ended. It runs with its rows in memory and reports how it came out."""
    from ray import tune

    with tempfile.TemporaryDirectory() as folder, local_ray(slots, Path(folder) / "ray.log"), environment(LOGGERS_ON):
        tuner = tune.Tuner(
            _function(),
            param_space={"spec": tune.grid_search([canonical_json(spec) for spec in specs])},
            tune_config=tune.TuneConfig(reuse_actors=reuse, trial_dirname_creator=lambda trial: trial.trial_id),
            run_config=tune.RunConfig(storage_path=f"{folder}/tune", verbose=0),
        )
        results = tuner.fit()
        assert results.num_errors == 0, results.errors
        return sorted(result.metrics["ended"] for result in results)


def _function() -> Callable[[dict[str, Any]], None]:
    def train(config: dict[str, Any]) -> None:
        import time

        from ray import tune

        from trainables.sink import ListSink
        from trainables.spec import parse_spec
        from trainables.trial import run_trial

        result = run_trial(parse_spec(config["spec"]), ListSink())
        tune.report({**result.finals, "steps": result.end_step, "ended": time.time()})

    return train


def seconds_each(ends: Sequence[float], first: int) -> float:
    """Wall seconds for each trial, from the end of the `first`-th on."""
    counted = sorted(ends)[first - 1 :]
    return (counted[-1] - counted[0]) / (len(counted) - 1)
