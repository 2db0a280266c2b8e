"""Writes docs/validation.md and its picture: every estimator held against another on real data.

`python -m benchmarks.validate` (about ten minutes on one core). Trials that differ in the estimator alone have the same
weights at every step, bit for bit, so their rows can be compared one by one.
"""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from benchmarks.validation_page import page, picture, whole
from tests.reference import flat, per_example_gradients
from trainables.build import build_setting
from trainables.sink import ListSink
from trainables.spec import TrialSpec
from trainables.trial import run_trial

ROOT = Path(__file__).parents[1]
SEEDS = (0, 1, 2)
REAL, RANDOM = "none", {"name": "permuted-labels", "fraction": 1.0}
MLP: dict[str, Any] = {
    "dataset": "mnist-5k",
    "model": {"name": "mlp", "widths": [128, 128]},
    "optimizer": {"name": "sgd", "lr": 0.1},
    "batch_size": 32,
    "epochs": 6,
    "seed": 0,
    "measure": {
        "probe": {"examples": "all", "at": ["raw", "ema"], "schedule": "log"},
        "evaluate": {"schedule": "1-2-5"},
    },
}
BATCH_NORM: dict[str, Any] = {
    "dataset": {"name": "mnist-5k", "train_examples": 1000},
    "model": {"name": "resnet18", "width": 8, "norm": "batch"},
    "optimizer": {"name": "sgd", "lr": 0.03, "momentum": 0.9},
    "batch_size": 50,
    "epochs": 4,
    "seed": 0,
    "estimator": "eval-mode",
    "measure": {"online": None, "probe": {"examples": 500, "schedule": "1-2-5"}, "evaluate": {"schedule": "1-2-5"}},
}
EXACT = {
    "mlp": {},
    "lenet": {"model": "lenet"},
    "cnn16": {"model": "cnn16"},
    "resnet18, group norm, width 8": {"model": {"name": "resnet18", "width": 8}},
    "vit, dim 32, depth 2": {"model": {"name": "vit", "dim": 32, "depth": 2, "heads": 2}},
}
GROUPS = (2, 5, 20)

Rows = list[dict[str, Any]]


def main() -> None:
    """Run everything, then write the page and the picture."""
    torch.set_num_threads(1)
    found = {
        "exact": dict(exactness()),
        "curves": {
            name: [rows_of(MLP | {"corruption": rule, "seed": seed}) for seed in SEEDS]
            for name, rule in (("real labels", REAL), ("random labels", RANDOM))
        },
        "grouped": grouped(),
        "batch norm": batch_norm(),
    }
    picture(found, ROOT / "docs/images/validation.png")
    (ROOT / "docs/validation.md").write_text(page(found), encoding="utf-8")


def rows_of(content: dict[str, Any]) -> dict[str, Rows]:
    """Tables of one trial."""
    print(
        "trial:",
        content["model"]["name"],
        content.get("corruption", REAL),
        content.get("estimator", ""),
        file=sys.stderr,
    )
    sink = ListSink()
    run_trial(TrialSpec.model_validate(content), sink, device="cpu")
    return dict(sink.rows)


def exactness() -> Iterable[tuple[str, dict[str, float]]]:
    """Largest relative error of per-example squared norms and of ||S||^2 over layers, against float64 loops."""
    for name, change in EXACT.items():
        errors = {}
        for dtype in ("float32", "float64"):
            setting = build_setting(TrialSpec.model_validate(MLP | change | {"dtype": dtype}), "cpu")
            x, y = setting.train.x[:16], setting.train.given[:16]
            oracle = per_example_gradients(setting.model, setting.gradients._loss, x, y)
            assert setting.engine is not None
            with setting.engine.recording() as record:
                losses = setting.gradients._loss(setting.model(x), y)
            mean = record.differentiate(losses, mean_gradient=True)
            assert mean is not None
            statistics = setting.engine.statistics(record.square_norms(), mean, 16)
            errors[dtype] = max(_layer_errors(statistics, oracle))
        yield name, errors


def _layer_errors(statistics: dict[str, Any], oracle: dict[str, Any]) -> Iterable[float]:
    for layer, found in statistics.items():
        g = flat(oracle, "" if layer == "*" else f"{layer}.")
        for right, value in ((g.square().sum(), found.q), (g.sum(0).square().sum(), found.s2)):
            yield abs(value - float(right)) / float(right)


def grouped() -> dict[int, list[tuple[dict[str, Any], dict[str, Any]]]]:
    """Rows of the example estimator beside those of groups of k, at the same weights."""
    probe = {"probe": {"examples": 2000, "schedule": "1-2-5"}, "online": None, "evaluate": {"schedule": "1-2-5"}}
    base = MLP | {"measure": probe}
    example = [whole(rows_of(base | {"seed": seed}), "probe") for seed in SEEDS]
    found = {}
    for k in GROUPS:
        own = [
            whole(rows_of(base | {"seed": seed, "estimator": {"name": "grouped", "k": k}}), "probe") for seed in SEEDS
        ]
        found[k] = [(a[step], b[step]) for a, b in zip(example, own, strict=True) for step in a]
    return found


def batch_norm() -> dict[str, dict[int, dict[str, Any]]]:
    """One network with batch normalisation, at the same weights: evaluation mode and groups of 10 and 50."""
    estimators = {
        "eval-mode": "eval-mode",
        "groups of 10": {"name": "grouped", "k": 10},
        "groups of 50": {"name": "grouped", "k": 50},
    }
    return {
        name: whole(rows_of(BATCH_NORM | {"estimator": estimator}), "probe") for name, estimator in estimators.items()
    }


if __name__ == "__main__":
    main()
