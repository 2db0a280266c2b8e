"""What a sweep costs beside its training: efficiency, trials of nothing beside other ways to run them, start-up.

    python -m benchmarks.throughput [--only efficiency|trivial|startup] [--trials 200] [--seconds 10] [--slots 2]

Written to benchmarks/results/throughput.json, each part with the load of the machine before and after it.

efficiency  `--trials` trials of `--seconds`: each trains a small network for an epoch (21 steps) and then spins in
            `run_trial` until its time has gone by the clock; all else of an attempt is as always, its rows in the store
            included. Seconds in `run_trial` / (wall seconds x slots), the wall from before Ray starts until it has
            ended, and from the first attempt's beginning to the last's end.
trivial     wall seconds for each trial of one step, counted from the end of the 2 x slots-th trial, so that starting
            processes and importing torch are left out: through `run_on_ray`; the same attempts in a pool of processes;
            and the same trial as a function of plain Tune with its default loggers, which keeps last metrics and no
            tables, with and without its reuse of actors.
startup     `coherence plan demo` beside an empty Python process, and one that imports the libraries that it needs: wall
            and CPU seconds, medians of 9.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.driver import Watcher
from benchmarks.local_ray import gaps_before, local_ray, spans
from benchmarks.startup import startup
from benchmarks.ways import in_a_pool, on_plain_tune, seconds_each
from orchestrator import tune
from orchestrator.attempt import RunOptions, run_attempt
from orchestrator.resources import Resources
from orchestrator.store import Store, create_store
from trainables.spec import TrialSpec, trial_id

RESULTS = Path(__file__).parent / "results" / "throughput.json"


def spec_of(seed: int, **changes: Any) -> TrialSpec:
    """Trials of a small network on small images, told apart by their seed."""
    choice = {"dataset": "digits", "model": {"name": "mlp", "widths": [8]}, "optimizer": {"name": "sgd", "lr": 0.1}}
    return TrialSpec.model_validate({**choice, "batch_size": 64, "epochs": 1, "seed": seed, **changes})


def trivial_of(seed: int) -> TrialSpec:
    """One step, with all that is measured by default."""
    return spec_of(seed, stop={"max_steps": 1})


def lasting(seconds: float, notes: Path) -> tune.Attempt:
    """A whole attempt of which training takes so long, or as long as it takes on a busy machine; noted by trial."""

    def attempt(spec: TrialSpec, options: RunOptions, should_stop: Callable[[], bool]) -> str:
        from trainables import trial

        real = trial.run_trial

        def run_trial(*given: Any, **named: Any) -> Any:
            began = time.monotonic()
            result = real(*given, **named)
            while time.monotonic() < began + seconds:
                pass
            (notes / trial_id(spec)).write_text(str(time.monotonic() - began), encoding="ascii")
            return result

        trial.run_trial = run_trial
        try:
            return run_attempt(spec, options, should_stop)
        finally:
            trial.run_trial = real

    return attempt


def run_on_ray(specs: list[TrialSpec], store: Store, slots: int, attempt: tune.Attempt = run_attempt) -> None:
    """All of them on a Ray of their own."""
    with local_ray(slots, store.root.parent / "ray.log"):
        tune.run_on_ray(
            specs, RunOptions(str(store.root)), Resources(), None, Watcher(), lambda: False, attempt=attempt
        )


def efficiency(trials: int, seconds: float, slots: int) -> dict[str, Any]:
    """The part of the slots' time that is training."""
    specs = [spec_of(seed) for seed in range(trials)]
    with tempfile.TemporaryDirectory() as folder:
        notes = Path(folder) / "notes"
        notes.mkdir()
        store, began = create_store(Path(folder) / "store"), time.time()
        run_on_ray(specs, store, slots, lasting(seconds, notes))
        wall, worked = time.time() - began, spans(store, specs)
        training = sum(float((notes / trial_id(spec)).read_text(encoding="ascii")) for spec in specs)
    between = max(end for _, end, _ in worked) - worked[0][0]
    return {
        "trials": trials,
        "seconds": seconds,
        "slots": slots,
        "training_s": training,
        "wall_s": wall,
        "efficiency": training / (wall * slots),
        "between_s": between,
        "efficiency_between": training / (between * slots),
        "largest_gap_s": max(gaps_before(worked)),
    }


def trivial(trials: int, slots: int) -> dict[str, Any]:
    """Seconds for each trial by way."""
    specs = [trivial_of(seed) for seed in range(trials)]
    few = specs[: max(6 * slots, trials // 20)]
    rows = [_timed("this project on Ray", specs, slots, lambda store: run_on_ray(specs, store, slots))]
    rows.append(_timed("a pool of processes", specs, slots, lambda store: in_a_pool(specs, store, slots)))
    for name, given, reuse in (
        ("plain Tune, default loggers, actors used again", specs, True),
        ("plain Tune, default loggers", few, False),
    ):
        began, ends = time.time(), on_plain_tune(given, slots, reuse=reuse)
        rows.append(_row(name, ends, slots, time.time() - began))
    return {"slots": slots, "ways": rows}


def _timed(name: str, specs: list[TrialSpec], slots: int, run: Callable[[Store], None]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        store, began = create_store(Path(folder) / "store"), time.time()
        run(store)
        wall = time.time() - began
        return _row(name, [end for _, end, _ in spans(store, specs)], slots, wall)


def _row(name: str, ends: list[float], slots: int, wall: float) -> dict[str, Any]:
    each = seconds_each(ends, 2 * slots)
    row = {"way": name, "trials": len(ends), "seconds_each": each, "wall_s": wall, "load": os.getloadavg()[0]}
    print(json.dumps(row), flush=True)
    return row


def main() -> None:
    """Run what is asked for and keep it beside what is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["startup", "trivial", "efficiency"])
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--slots", type=int, default=2)
    given = parser.parse_args()
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "startup": startup,
        "trivial": lambda: trivial(given.trials, given.slots),
        "efficiency": lambda: efficiency(given.trials, given.seconds, given.slots),
    }
    known = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    for name in [given.only] if given.only else parts:
        load = os.getloadavg()[0]
        known[name] = {"load_before": load, **parts[name](), "load_after": os.getloadavg()[0]}
        print(json.dumps({name: known[name]}, indent=1))
        RESULTS.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
