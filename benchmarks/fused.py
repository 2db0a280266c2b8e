"""Trains every network for 500 steps in both modes of the engine and reports how far apart they end.

    python -m benchmarks.fused [--steps 500] [--models mlp lenet]

At the same weights the two modes' gradients differ by rounding; two trainings then drift apart as any two do that
differ in rounding. As a yardstick a third training is `exact` on batches whose examples are in reverse order: the same
mean gradient but for the order of additions. Writes benchmarks/results/fused.json.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trainables.build import build_setting
from trainables.gradients.engine import Engine
from trainables.schedules import steps_of
from trainables.setting import Setting
from trainables.spec import TrialSpec

RESULTS = Path(__file__).parent / "results" / "fused.json"
BASE: dict[str, Any] = {
    "dataset": "mnist-5k",
    "optimizer": {"name": "sgd", "lr": 0.05},
    "batch_size": 32,
    "epochs": 8,
    "seed": 0,
    "measure": {"online": {"every": 1, "layers": "1-2-5"}, "probe": None, "evaluate": {"schedule": {"every": 100000}}},
}
MODELS: dict[str, Any] = {
    "mlp": {"name": "mlp", "widths": [128, 128]},
    "lenet": "lenet",
    "cnn16": "cnn16",
    "resnet18, group norm, width 8": {"name": "resnet18", "width": 8},
    "vit, dim 32, depth 2": {"name": "vit", "dim": 32, "depth": 2, "heads": 2},
}


def setting(model: Any, engine: str) -> Setting:
    """A trial on the CPU."""
    return build_setting(TrialSpec.model_validate(BASE | {"model": model, "engine": engine}), "cpu")


def compared(name: str, steps: int) -> dict[str, Any]:
    """One row."""
    exact, fused, turned = (setting(MODELS[name], engine) for engine in ("exact", "fused", "exact"))
    draw = turned._batch
    turned._batch = lambda step: tuple(each.flip(0) for each in draw(step))  # type: ignore[method-assign]
    start, other = flat(exact), Engine(exact.model, fused=True)
    due, apart, alphas, losses = steps_of("log", steps), 0.0, [0.0, 0.0], [0.0, 0.0]
    for step in range(steps):
        if step in due:
            apart = max(apart, same_weights(exact, other, step))
        made = [each.train_step(step) for each in (exact, fused, turned)]
        for k in (0, 1):
            row = made[k + 1].step_row
            assert row is not None
            alphas[k] = max(alphas[k], abs(float(row["alpha"]) - float(made[0].step_row["alpha"])))  # type: ignore
            losses[k] = max(losses[k], abs(made[k + 1].loss - made[0].loss))
    moved = float((flat(exact) - start).norm())
    ends = [float((flat(each) - flat(exact)).norm()) / moved for each in (fused, turned)]
    return {
        "model": name,
        "steps": steps,
        "gradient": apart,
        "weights": ends[0],
        "weights_reordered": ends[1],
        "alpha": alphas[0],
        "alpha_reordered": alphas[1],
        "loss": losses[0],
        "loss_reordered": losses[1],
    }


def same_weights(trial: Setting, fused: Engine, step: int) -> float:
    """||fused - exact|| / ||exact|| of the next batch's mean gradient."""
    assert trial.engine is not None
    x, y = trial._batch(step)
    means = []
    for engine in (trial.engine, fused):
        with engine.recording() as record:
            losses = trial.gradients._loss(trial.model(x), y)
        mean = record.differentiate(losses, mean_gradient=True, keep=False)
        assert mean is not None
        means.append(torch.cat([each.flatten() for each in mean.tensors.values()]).double())
    return float((means[1] - means[0]).norm() / means[0].norm())


def flat(trial: Setting) -> Tensor:
    """All weights."""
    return torch.cat([each.detach().flatten() for each in trial.parameters.values()]).double()


def main() -> None:
    """Train, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--models", nargs="+", default=[""], help="their names, or beginnings of them")
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    for name in MODELS:
        if any(name.startswith(each) for each in given.models):
            row = compared(name, given.steps)
            print(row, flush=True)
            rows = [each for each in rows if each["model"] != name] + [row]
            RESULTS.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
