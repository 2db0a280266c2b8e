"""Made-up trials that follow any field of their spec. Nothing here is a measurement."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainables.records import SCHEMA_VERSION, STORE_FILE, part_path, sweep_path, write_part
from trainables.spec import TrialSpec, canonical_json, trial_id

STEPS = tuple(sorted({*range(0, 100, 10), *range(100, 2001, 50), 0, 1, 2, 5, 125}))
LAYERS = {
    "mlp": ("fc1", "fc2"),
    "lenet": ("conv1", "conv2", "fc1", "fc2", "fc3"),
    "alexnet": ("conv1", "conv5", "fc1", "fc3"),
    "cnn16": ("conv1", "fc1"),
}


def spec(**fields: Any) -> TrialSpec:
    """16 epochs of 125 steps on mnist-5k unless said otherwise."""
    return TrialSpec.model_validate(
        {
            "dataset": "mnist-5k",
            "model": "mlp",
            "optimizer": {"name": "sgd", "lr": 0.1},
            "batch_size": 32,
            "epochs": 16,
            "measure": {"probe": {"examples": 1000}},
            **fields,
        }
    )


def over_seeds(*fields: dict[str, Any], seeds: int = 3) -> tuple[TrialSpec, ...]:
    """Each set of fields with every seed."""
    return tuple(spec(**each, seed=seed) for each in fields for seed in range(seeds))


@dataclass(frozen=True)
class World:
    """accuracy: (spec, step, split); coherence: (spec, step, layer, source); loss: (spec, step, split), left out: from
    the accuracy; share: (spec, step, group) -> f, low, high of group-shares; extra: further splits of `evals`."""

    accuracy: Callable[[TrialSpec, int, str], float] = lambda *_: 0.5
    coherence: Callable[[TrialSpec, int, str, str], float] = lambda *_: 2.0
    loss: Callable[[TrialSpec, int, str], float] | None = None
    share: Callable[[TrialSpec, int, str], tuple[float, float, float] | None] | None = None
    extra: tuple[str, ...] = ()
    steps: Iterable[int] = STEPS


def build(path: Path, specs: Iterable[TrialSpec], world: World, name: str = "made-up") -> Path:
    """Write a store with one sweep of these trials, all completed."""
    new_store(path)
    unique = {trial_id(one): one for one in specs}
    planned = [
        {"sweep": name, "revision": 0, "position": i, "trial_id": identity, "spec": canonical_json(one)}
        | {"definition": f"name: {name}\n", "created_at": 0.0}
        for i, (identity, one) in enumerate(unique.items())
    ]
    write_part(sweep_path(path, name, 0), "sweeps", planned, tag="test")
    for identity, one in unique.items():
        _write(path, identity, one, world)
    return path


def noise_of(one: TrialSpec) -> float:
    """Share of the training examples that the corruption selects."""
    return float(getattr(one.corruption, "fraction", 0.0))


def _corrupt(one: TrialSpec) -> float:
    return 0.9 * noise_of(one) if one.corruption.name.endswith("-labels") else 0.0


def _write(path: Path, identity: str, one: TrialSpec, world: World) -> None:
    tables = {
        "layers": list(_layers(one, world)),
        "evals": list(_evals(one, world)),
        "instruments": list(_shares(one, world)),
        "examples": [
            {"index": i, "original_label": i, "given_label": i, "selected": False, "corrupt": False} for i in range(10)
        ],
    }
    for table, rows in tables.items():
        if rows:
            write_rows(path, table, identity, rows)
    last = max(world.steps)
    splits = ("train", "test", "pristine", *(("corrupt",) if _corrupt(one) else ()))
    size = one.dataset_facts.train
    row = {
        "dataset": one.dataset.name,
        "model": one.model.name,
        "corruption": one.corruption.name,
        "corruption_fraction": noise_of(one),
        "aggregator": one.aggregator.name,
        "aggregator_level": getattr(one.aggregator, "level", None),
        "tail_count": one.tail_count,
        "optimizer": one.optimizer.name,
        "lr": one.optimizer.lr,
        "batch_size": one.batch_size,
        "epochs": one.epochs,
        "seed": one.seed,
        "estimator": one.estimator.name,
        "spec": canonical_json(one),
        "outcome": "completed",
        "steps": last,
        "train_examples": size,
        "corrupt_examples": round(size * _corrupt(one)),
        "provenance": json.dumps({}),
        **{f"final_{split}_accuracy": world.accuracy(one, last, split) for split in splits},
        **{f"rows_{table}": len(rows) for table, rows in tables.items()},
        "rows_steps": 0,
    }
    write_rows(path, "trials", identity, [row])


def _layers(one: TrialSpec, world: World) -> Iterable[dict[str, Any]]:
    probe = one.measure.probe
    k = getattr(one.estimator, "k", 1)
    for source, point in (("probe", "raw"), ("probe-ema", "ema")):
        if probe is None or point not in probe.at:
            continue
        for step in world.steps:
            for index, layer in enumerate(("*", *LAYERS.get(one.model.name, ("fc1", "fc2")))):
                units = one.probe_examples // k
                # The reading is of one example among n k; of units of k examples alpha is larger.
                alpha = (world.coherence(one, step, layer, source) - 1) / (units * k - 1)
                of_units = k * alpha / (1 + (k - 1) * alpha)
                yield {
                    "step": step,
                    "source": source,
                    "estimator": one.estimator.name,
                    "group": "all",
                    "layer": layer,
                    "layer_index": index - 1,
                    "k": k,
                    **statistics(1 + (units - 1) * of_units, units),
                }


def _evals(one: TrialSpec, world: World) -> Iterable[dict[str, Any]]:
    shares = {"train": 1.0, "test": 0.25, "pristine": 1 - _corrupt(one), "corrupt": _corrupt(one)}
    for step in world.steps:
        for split in (*shares, *world.extra):
            count = round(4000 * shares.get(split, 0.1))
            accuracy = world.accuracy(one, step, split) if count else None
            loss = (
                None if accuracy is None else world.loss(one, step, split) if world.loss else 0.01 + 2 * (1 - accuracy)
            )
            yield {"step": step, "split": split, "loss": loss, "accuracy": accuracy, "count": count}


def _shares(one: TrialSpec, world: World) -> Iterable[dict[str, Any]]:
    for step in world.steps if world.share is not None and _corrupt(one) else ():
        for group in ("pristine", "corrupt"):
            measured = world.share(one, step, group)  # type: ignore[misc]
            for quantity in ("share", "mean-dot", "cumulative") if measured else ():
                value, low, high = measured  # type: ignore[misc]
                yield {"step": step, "source": "probe", "estimator": "example", "instrument": "group-shares"} | {
                    "quantity": quantity,
                    "group": group,
                    "layer": "*",
                    "layer_index": -1,
                    "n": 500,
                    "value": value,
                    "low": low,
                    "high": high,
                }


def new_store(store: Path, version: object = SCHEMA_VERSION) -> Path:
    """An empty store in this folder."""
    store.mkdir(parents=True, exist_ok=True)
    (store / STORE_FILE).write_text(json.dumps({"schema_version": version}))
    return store


def write_rows(store: Path, table: str, identity: str, rows: Iterable[Mapping[str, Any]], part: int = 0) -> None:
    """Write a part of a table of one trial."""
    full = [{"trial_id": identity, **row} for row in rows]
    write_part(part_path(store, table, identity, part), table, full, tag="test")


def statistics(m_coherence: float, n: int, q: float = 2.0) -> dict[str, Any]:
    """Sums that give this m-coherence, and the ratios."""
    return {
        "n": n,
        "q": q,
        "s2": q * m_coherence,
        "q4": q * q / n,
        "alpha": m_coherence / n,
        "m_coherence": m_coherence,
        "alpha_unbiased": (m_coherence - 1) / (n - 1),
        "effective_sample_size": float(n),
    }
