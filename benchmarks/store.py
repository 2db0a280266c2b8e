"""How long 1,000 trials take to open, draw and judge, before and after compaction. The trials are made up.

python -m benchmarks.store [--trials 1000] [--keep FOLDER]
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from orchestrator.compact import compact
from orchestrator.store import open_store
from trainables.records import SCHEMA_VERSION, SCHEMAS, STORE_FILE, part_path, sweep_path
from trainables.spec import TrialSpec, canonical_json, trial_id

NAME = "made-up"
NOISES = (0.0, 0.25, 0.5, 0.75, 1.0)
RULES: tuple[Any, ...] = (
    "mean",
    {"name": "winsorized", "level": 3},
    "median-of-3",
    "rolling-median-of-3",
    "rolling-mean-of-3",
)
LAYERS = ("*", "fc1", "fc2", "fc3")
PROBES = np.unique(np.concatenate([np.arange(10), np.geomspace(10, 7500, 54).astype(int)]))
EVALS = np.unique(np.concatenate([np.arange(10), np.geomspace(10, 7500, 56).astype(int)]))
STEPS, EXAMPLES = np.arange(0, 7500, 10), 4000
RESULTS = Path(__file__).parent / "results" / "store.json"
JOBS = {
    "figures": "from analysis.cli import draw_figures; draw_figures(S, N, O)",
    "claims": "from analysis.cli import evaluate_claims; evaluate_claims(S, N)",
    "open": "from analysis.cli import _open; _open(S, N)",
}


def specs(count: int) -> list[TrialSpec]:
    """Five label noises by five aggregators by as many seeds as make `count` trials."""
    seeds = -(-count // (len(NOISES) * len(RULES)))
    made = [
        TrialSpec.model_validate(
            {
                "dataset": "mnist-5k",
                "model": {"name": "mlp", "widths": [128, 128]},
                "corruption": {"name": "permuted-labels", "fraction": noise} if noise else "none",
                "aggregator": rule,
                "optimizer": {"name": "sgd", "lr": 0.1},
                "batch_size": 32,
                "epochs": 60,
                "seed": seed,
                "measure": {"probe": {"examples": "all"}, "instruments": ["group-shares"]},
            }
        )
        for seed in range(seeds)
        for noise in NOISES
        for rule in RULES
    ]
    return made[:count]


def write_store(path: Path, count: int) -> Path:
    """A store with one sweep of made-up trials, as many rows in each as `label-noise --scale laptop` leaves."""
    path.mkdir(parents=True)
    (path / STORE_FILE).write_text(json.dumps({"schema_version": SCHEMA_VERSION}))
    trials = specs(count)
    rows = [
        {"sweep": NAME, "revision": 0, "position": i, "trial_id": trial_id(one), "spec": canonical_json(one)}
        | {"definition": f"name: {NAME}\n", "created_at": 0.0}
        for i, one in enumerate(trials)
    ]
    _write(sweep_path(path, NAME, 0), "sweeps", {key: [row[key] for row in rows] for key in rows[0]}, len(rows))
    for one in trials:
        _write_trial(path, one)
    return path


def _write_trial(path: Path, one: TrialSpec) -> None:
    identity, noise = trial_id(one), float(getattr(one.corruption, "fraction", 0.0))
    rng = np.random.default_rng([one.seed, int(100 * noise), len(one.aggregator.name)])
    tables = {
        "layers": _layers(rng, noise),
        "evals": _evals(rng, noise),
        "steps": _steps(rng),
        "examples": _examples(rng, noise),
        "instruments": _shares(rng, noise),
    }
    counts = {}
    for table, columns in tables.items():
        counts[table] = len(next(iter(columns.values()))) if columns else 0
        if columns:
            _write(
                part_path(path, table, identity, 0),
                table,
                {"trial_id": [identity] * counts[table], **columns},
                counts[table],
            )
    finals = {"train": 0.9, "test": 0.9 - 0.3 * noise, "pristine": 0.95, "corrupt": 0.5 if noise else None}
    row: dict[str, Any] = {
        "trial_id": identity,
        "dataset": "mnist-5k",
        "model": "mlp",
        "corruption": one.corruption.name,
        "corruption_fraction": noise,
        "aggregator": one.aggregator.name,
        "aggregator_level": getattr(one.aggregator, "level", None),
        "tail_count": one.tail_count,
        "optimizer": "sgd",
        "lr": 0.1,
        "batch_size": 32,
        "epochs": 60,
        "seed": one.seed,
        "estimator": "example",
        "spec": canonical_json(one),
        "outcome": "completed",
        "steps": 7500,
        "parameters": 118282,
        "train_examples": EXAMPLES,
        "corrupt_examples": round(EXAMPLES * 0.9 * noise),
        "provenance": "{}",
        **{f"final_{split}_accuracy": value for split, value in finals.items()},
        **{f"rows_{table}": number for table, number in counts.items()},
    }
    _write(part_path(path, "trials", identity, 0), "trials", {key: [value] for key, value in row.items()}, 1)


def _write(path: Path, table: str, columns: dict[str, Any], count: int) -> None:
    """One file of the declared schema; columns that are not given are null."""
    schema = SCHEMAS[table]
    arrays = [
        pa.array(columns[field.name], field.type) if field.name in columns else pa.nulls(count, field.type)
        for field in schema
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_arrays(arrays, schema=schema), path, compression="zstd")


def _layers(rng: np.random.Generator, noise: float) -> dict[str, Any]:
    groups = ("all", "pristine", "corrupt") if noise else ("all",)
    step, group, layer = (part.ravel() for part in np.meshgrid(PROBES, range(len(groups)), range(4), indexing="ij"))
    size = np.where(group == 0, 4000, 2000)
    seen = 1 + 60 * (1 - noise) ** 2 * np.exp(-step / 900) + rng.exponential(0.3, len(step))
    return {
        "step": step,
        "source": ["probe"] * len(step),
        "estimator": ["example"] * len(step),
        "group": np.array(groups)[group].tolist(),
        "layer": np.array(LAYERS)[layer].tolist(),
        "layer_index": layer - 1,
        "k": np.ones(len(step), dtype=np.int64),
        "n": size,
        "q": np.full(len(step), 2.0),
        "s2": 2 * seen,
        "q4": 4 / size,
        "m_coherence": seen,
        "alpha": seen / size,
        "alpha_unbiased": (seen - 1) / (size - 1),
        "effective_sample_size": size * 0.5,
    }


def _evals(rng: np.random.Generator, noise: float) -> dict[str, Any]:
    splits = ("train", "test", "pristine", "corrupt")
    step, split = (part.ravel() for part in np.meshgrid(EVALS, range(4), indexing="ij"))
    accuracy = np.clip(
        0.1 + 0.8 * step / (step + 100) - 0.5 * noise * (split % 2) + rng.normal(0, 0.01, len(step)), 0, 1
    )
    known = (split < 3) | (noise > 0)
    return {
        "step": step,
        "split": np.array(splits)[split].tolist(),
        "loss": pa.array(2.4 * (1.05 - accuracy), mask=~known),
        "accuracy": pa.array(accuracy, mask=~known),
        "original_accuracy": pa.array(accuracy, mask=~known),
        "count": np.where(known, 1000, 0),
    }


def _steps(rng: np.random.Generator) -> dict[str, Any]:
    seen = 1 + rng.exponential(0.3, len(STEPS))
    return {
        "step": STEPS,
        "epoch": STEPS // 125,
        "lr": np.full(len(STEPS), 0.1),
        "loss": np.ones(len(STEPS)),
        "accuracy": np.full(len(STEPS), 0.5),
        "n": np.full(len(STEPS), 32),
        "q": np.full(len(STEPS), 2.0),
        "s2": 2 * seen,
        "m_coherence": seen,
        "alpha_unbiased": (seen - 1) / 31,
    }


def _examples(rng: np.random.Generator, noise: float) -> dict[str, Any]:
    corrupt = rng.random(EXAMPLES) < 0.9 * noise
    label, first = np.arange(EXAMPLES) % 10, rng.choice(EVALS, EXAMPLES)
    return {
        "index": np.arange(EXAMPLES),
        "original_label": label,
        "given_label": np.where(corrupt, (label + 1) % 10, label),
        "selected": corrupt,
        "corrupt": corrupt,
        "first_learnt": first,
        "learnt_for_good": first,
        "final_loss": np.full(EXAMPLES, 0.5),
    }


def _shares(rng: np.random.Generator, noise: float) -> dict[str, Any]:
    if not 0 < noise < 1:
        return {}
    quantities, groups = ("share", "mean-dot", "cumulative"), ("pristine", "corrupt")
    parts = np.meshgrid(PROBES, range(3), range(2), range(4), indexing="ij")
    step, quantity, group, layer = (part.ravel() for part in parts)
    value = 0.5 + rng.normal(0, 0.1, len(step))
    return {
        "step": step,
        "source": ["probe"] * len(step),
        "estimator": ["example"] * len(step),
        "instrument": ["group-shares"] * len(step),
        "quantity": np.array(quantities)[quantity].tolist(),
        "group": np.array(groups)[group].tolist(),
        "layer": np.array(LAYERS)[layer].tolist(),
        "layer_index": layer - 1,
        "n": np.full(len(step), 2000),
        "value": value,
        "low": np.full(len(step), 0.45),
        "high": np.full(len(step), 0.55),
    }


def measure(store: Path, job: str) -> dict[str, float]:
    """One job in a process of its own: wall and CPU seconds, peak resident MiB."""
    with tempfile.TemporaryDirectory() as out:
        setting = f"from pathlib import Path; S, N, O = Path({str(store)!r}), {NAME!r}, Path({out!r}); "
        told = "; import resource; u = resource.getrusage(resource.RUSAGE_SELF); print(u.ru_maxrss / 1024)"
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", setting + JOBS[job] + told], capture_output=True, text=True, check=True
        )
        wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall_s": round(wall, 2), "cpu_s": round(cpu, 2), "peak_mib": round(float(done.stdout.split()[-1]), 1)}


def main() -> None:
    """Write the store, measure each job before and after compaction, and print and keep the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--keep", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        base = given.keep or Path(folder)
        plain, compacted = base / "plain", base / "compacted"
        if not plain.exists():
            write_store(plain, given.trials)
        if not compacted.exists():
            compact(open_store(plain), compacted)
        rows = []
        for store, is_compacted in ((plain, False), (compacted, True)):
            for job in JOBS:
                row = {"trials": given.trials, "job": job, "compacted": is_compacted, **measure(store, job)}
                print(row, flush=True)
                rows.append(row)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
