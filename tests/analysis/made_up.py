"""Made-up stores with effects that a test sets by hand. Nothing here is a measurement."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from analysis.contracts.worlds import new_store as new_store
from analysis.contracts.worlds import statistics as statistics
from analysis.contracts.worlds import write_rows as write_rows
from trainables.records import sweep_path, write_part
from trainables.schedules import steps_of
from trainables.spec import TrialSpec, canonical_json, trial_id

LAYERS = {"mlp": ("fc1", "fc2", "fc3"), "lenet": ("conv1", "conv2", "fc1", "fc2", "fc3")}
MEAN = {"name": "mean"}
WINSORIZED = {"name": "winsorized", "level": 3}
MEDIAN = {"name": "median-of-3"}
ROLLING = {"name": "rolling-median-of-3"}
NONE = {"name": "none"}
TRAIN, BATCH = 4000, 32


def permuted(fraction: float) -> dict[str, Any]:
    return {"name": "permuted-labels", "fraction": fraction}


@dataclass(frozen=True)
class Cell:
    """What a trial is; `rng` scatters seeds, and seeds only."""

    model: str
    noise: float
    aggregator: str
    seed: int

    def rng(self, *more: int) -> np.random.Generator:
        """A stream of its own for every use."""
        words = [self.seed, len(self.model), round(100 * self.noise), len(self.aggregator), *more]
        return np.random.default_rng(words)


Coherence = Callable[[Cell, int, str], float]
Accuracy = Callable[[Cell, int, str], float]


def plausible_coherence(cell: Cell, step: int, layer: str) -> float:
    """A hump for original labels, a late rise for random ones."""
    start, top = (29.0, 70.0) if cell.model == "mlp" else (3.6, 90.0)
    real = 1 + (start - 1) * np.exp(-step / 900) + (top - start) * np.exp(-0.5 * (np.log((step + 1) / 100) / 1.1) ** 2)
    random = 1 + 25 / (1 + np.exp(-(step - 1300) / 200))
    clean = (1 - cell.noise) ** 2
    depth = 1.0 if layer == "*" else 1.4 - 0.25 * LAYERS[cell.model].index(layer)
    scatter = cell.rng(step, len(layer)).normal(0, 0.05 + 0.3 * (step > 125))
    return float((clean * real + (1 - clean) * random * (0.3 + 0.7 * cell.noise)) * depth * np.exp(scatter))


def plausible_accuracy(cell: Cell, step: int, split: str) -> float:
    """Pristine quickly, corrupt slowly and less under robust aggregation; test accuracy decays with memorising."""
    robust = {"mean": 1.0, "winsorized": 0.3, "median-of-3": 0.35, "rolling-median-of-3": 0.7}[cell.aggregator]
    early, late = 1 / (1 + (50 / (step + 0.5)) ** 1.5), 1 / (1 + (2600 / (step + 0.5)) ** 3)
    scatter = float(cell.rng(step, len(split)).normal(0, 0.012))
    share = {
        "pristine": 0.1 + 0.85 * early,
        "corrupt": 0.1 - 0.07 * early + 0.9 * robust * late,
        "test": 0.1 + 0.8 * early * (1 - cell.noise**3) - 0.4 * robust * late * cell.noise,
    }
    share["train"] = share["pristine"] * (1 - 0.9 * cell.noise) + share["corrupt"] * 0.9 * cell.noise
    return float(np.clip(share[split] + scatter * (step > 5), 0, 1))


@dataclass(frozen=True)
class Effects:
    """How made-up trials behave. probe: examples of the probe by model."""

    coherence: Coherence = plausible_coherence
    accuracy: Accuracy = plausible_accuracy
    online: Coherence | None = None
    probe: Mapping[str, int] = field(default_factory=lambda: {"mlp": 4000, "lenet": 1000})
    steps: Iterable[int] = tuple(sorted(steps_of("log", 2000) | set(range(125, 2001, 125))))
    examples: int = 200


@dataclass(frozen=True)
class MadeUp:
    """A sweep to be written. skipped: indices of planned trials that never ran."""

    name: str = "demo"
    specs: tuple[TrialSpec, ...] = ()
    effects: Effects = Effects()
    skipped: frozenset[int] = frozenset()

    def but(self, **changes: Any) -> "MadeUp":
        return replace(self, **changes)


def spec(model: str, corruption: Mapping[str, Any], aggregator: Mapping[str, Any], seed: int, **more: Any) -> TrialSpec:
    return TrialSpec.model_validate(
        {
            "dataset": {"name": "mnist-5k"},
            "model": {"name": model},
            "corruption": dict(corruption),
            "aggregator": dict(aggregator),
            "optimizer": {"name": "sgd", "lr": 0.2},
            "batch_size": BATCH,
            "epochs": 16,
            "seed": seed,
            **more,
        }
    )


def grid(
    models: Iterable[str] = ("mlp",),
    corruptions: Iterable[Mapping[str, Any]] = (NONE, permuted(0.5), permuted(1.0)),
    aggregators: Iterable[Mapping[str, Any]] = (MEAN,),
    seeds: int = 3,
) -> tuple[TrialSpec, ...]:
    return tuple(spec(m, c, a, s) for m in models for c in corruptions for a in aggregators for s in range(seeds))


def demo_specs(seeds: int = 3) -> tuple[TrialSpec, ...]:
    """The shape of the built-in sweep `demo`."""
    return (
        *grid(("mlp",), aggregators=(MEAN, WINSORIZED, MEDIAN, ROLLING), seeds=seeds),
        *grid(("lenet",), seeds=seeds),
        *grid(("lenet",), (permuted(0.5),), (ROLLING,), seeds),
    )


def write(store: Path, made_up: MadeUp) -> Path:
    """Write the store and return its path."""
    new_store(store)
    ids = [trial_id(one) for one in made_up.specs]
    planned = [
        {"sweep": made_up.name, "revision": 0, "position": i, "trial_id": ids[i], "spec": canonical_json(one)}
        | {"definition": "name: demo\ndescription: Made-up trials.\n", "created_at": 0.0}
        for i, one in enumerate(made_up.specs)
    ]
    write_part(sweep_path(store, made_up.name, 0), "sweeps", planned, tag="test")
    for i, one in enumerate(made_up.specs):
        if i not in made_up.skipped:
            write_trial(store, one, made_up.effects)
    return store


def cell_of(one: TrialSpec) -> Cell:
    noise = float(getattr(one.corruption, "fraction", 0.0))
    return Cell(one.model.name, noise, one.aggregator.name, one.seed)


def write_trial(store: Path, one: TrialSpec, effects: Effects, outcome: str = "completed") -> str:
    """All tables of one trial; returns its id."""
    cell, identity = cell_of(one), trial_id(one)
    tables = {
        "layers": list(layer_rows(cell, effects)),
        "steps": list(step_rows(cell, effects)),
        "evals": list(eval_rows(cell, effects)),
        "examples": list(example_rows(cell, effects)),
    }
    for table, rows in tables.items():
        write_rows(store, table, identity, rows)
    counts = {f"rows_{table}": len(rows) for table, rows in tables.items()}
    write_rows(store, "attempts", identity, [_attempt(outcome)])
    write_rows(store, "trials", identity, [_trial(one, cell, effects, outcome) | counts])
    return identity


def layer_rows(cell: Cell, effects: Effects) -> Iterable[dict[str, Any]]:
    size = effects.probe[cell.model]
    groups = {"all": size} | ({"pristine": size // 2, "corrupt": size // 2} if cell.noise else {})
    for step in effects.steps:
        for index, layer in enumerate(("*", *LAYERS[cell.model])):
            for group, n in groups.items():
                yield {
                    "step": step,
                    "source": "probe",
                    "estimator": "example",
                    "group": group,
                    "layer": layer,
                    "layer_index": index - 1,
                    "k": 1,
                    **statistics(effects.coherence(cell, step, layer), n),
                }


def step_rows(cell: Cell, effects: Effects) -> Iterable[dict[str, Any]]:
    size, scatter = effects.probe[cell.model], cell.rng(7).normal(0, 0.3, size=2000)
    for step in range(0, 2000, 5):
        seen = (effects.online or effects.coherence)(cell, step, "*")
        in_batch = 1 + (BATCH - 1) * (seen - 1) / (size - 1)
        noise = scatter[step]
        yield {"step": step, "epoch": step // 125, "lr": 0.2, "loss": 1.0, "accuracy": 0.5} | statistics(
            max(0.01, in_batch + noise), BATCH
        )


def eval_rows(cell: Cell, effects: Effects) -> Iterable[dict[str, Any]]:
    splits = {"train": TRAIN, "test": 1000, "pristine": TRAIN, "corrupt": 0}
    if cell.noise:
        splits |= {"pristine": round(TRAIN * (1 - 0.9 * cell.noise)), "corrupt": round(TRAIN * 0.9 * cell.noise)}
    for step in effects.steps:
        for split, count in splits.items():
            accuracy = effects.accuracy(cell, step, split) if count else None
            loss = None if accuracy is None else 0.002 + 2.3 * (1 - max(0.0, (accuracy - 0.1) / 0.9)) ** 1.5
            yield {"step": step, "split": split, "loss": loss, "accuracy": accuracy, "count": count}


def example_rows(cell: Cell, effects: Effects) -> Iterable[dict[str, Any]]:
    """Made so that the share learnt at least once follows the accuracy of the group."""
    rng, steps = cell.rng(0), list(effects.steps)
    curves = {split: [effects.accuracy(cell, step, split) for step in steps] for split in ("pristine", "corrupt")}
    for index in range(effects.examples):
        corrupt = bool(rng.random() < 0.9 * cell.noise)
        split, level = ("corrupt" if corrupt else "pristine"), rng.random()
        learnt = next((step for step, share in zip(steps, curves[split], strict=True) if share > level), None)
        label = index % 10
        yield {
            "index": index,
            "original_label": label,
            "given_label": (label + 1) % 10 if corrupt else label,
            "selected": corrupt,
            "corrupt": corrupt,
            "first_learnt": learnt,
            "learnt_for_good": learnt,
            "final_loss": 0.5,
        }


def _attempt(outcome: str) -> dict[str, Any]:
    times = {"started_at": 100.0, "ended_at": 112.5, "cpu_s": 10.0, "measure_s": 2.5, "peak_memory_mib": 300.0}
    return {"attempt": 0, "start_step": 0, "end_step": 2000, "outcome": outcome, "host": "made-up", "pid": 1} | times


def _trial(one: TrialSpec, cell: Cell, effects: Effects, outcome: str) -> dict[str, Any]:
    last = max(effects.steps)
    splits = ("train", "test", "pristine") + (("corrupt",) if cell.noise else ())
    finals = {f"final_{split}_accuracy": effects.accuracy(cell, last, split) for split in splits}
    return finals | {
        "dataset": one.dataset.name,
        "model": cell.model,
        "corruption": one.corruption.name,
        "corruption_fraction": cell.noise,
        "aggregator": cell.aggregator,
        "aggregator_level": getattr(one.aggregator, "level", None),
        "tail_count": one.tail_count,
        "optimizer": "sgd",
        "lr": 0.2,
        "loss": "cross-entropy",
        "batch_size": one.batch_size,
        "epochs": one.epochs,
        "seed": one.seed,
        "engine": "exact",
        "estimator": "example",
        "spec": canonical_json(one),
        "outcome": outcome,
        "steps": last,
        "parameters": {"mlp": 118282, "lenet": 61706}[cell.model],
        "train_examples": TRAIN,
        "corrupt_examples": round(TRAIN * 0.9 * cell.noise),
        "data_sha256": f"{round(100 * cell.noise):064d}",
        "numerics_version": 1,
        "provenance": json.dumps({"commit": "0" * 40, "packages": {"torch": "2.14.1"}, "host": "made-up"}),
    }
