"""Cost of a training step under a robust aggregator as a multiple of the plain step, in one run.

    python -m benchmarks.aggregators [--models mlp lenet ...] [--methods winsorized ...] [--repetitions 11]
    python -m benchmarks.aggregators --methods "median-of-3, one pass" "median-of-3, three passes"

One torch thread, CPU time of the process, every measurement bracketed by plain steps of the same run; order shuffled
in each repetition, first calls not counted. Opacus comes last: what it allocates changes how the plain step gets its
memory. Writes rows of benchmarks/results/aggregators.json (model, batch, method, k, ratio, low, high, repetitions),
those of --models and --methods if given, and the figure beside it. The ways of median-of-3 that the shapes of a model
choose between are printed and not kept.
"""

import argparse
import copy
import json
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.methods import RATE, plain
from trainables.aggregators import AGGREGATORS
from trainables.gradients.engine import Engine
from trainables.gradients.thirds import together
from trainables.models import MODELS
from trainables.optim import Sgd
from trainables.passes import trainable
from trainables.registry import load
from trainables.training import Gradients
from trainables.updates import SgdOptimizer

RESULTS = Path(__file__).parent / "results" / "aggregators.json"
TAIL = 4
"""Values per tail."""

Step = Callable[[Tensor, Tensor], None]
Build = Callable[[nn.Module, Tensor], Step]
"""A model and an input [N, ...] to a step."""

NETS: dict[str, tuple[dict, tuple[int, ...]]] = {
    "mlp 784-512-512-10": ({"name": "mlp", "widths": [512, 512]}, (1, 28, 28)),
    "lenet": ({"name": "lenet"}, (1, 28, 28)),
    "resnet18 width 16": ({"name": "resnet18", "width": 16}, (3, 32, 32)),
    "vit dim 128 depth 4": ({"name": "vit", "dim": 128, "depth": 4}, (3, 32, 32)),
}
"""Name -> parameters of the registry, shape of an input."""


def net(name: str) -> nn.Module:
    """The model with fixed weights."""
    given, shape = NETS[name]
    torch.manual_seed(0)
    made: nn.Module = load(MODELS[given["name"]])(MODELS[given["name"]].params(**given), shape, 10)
    return made


def ours(name: str, *, joint: bool | None = None, **parameters: float) -> Build:
    """The training step of a trial: its pass, its aggregator, its optimizer. joint: thirds from one pass; None: by the
    shapes, as a trial does."""

    def build(model: nn.Module, x: Tensor) -> Step:
        entry = AGGREGATORS[name]
        aggregator = load(entry)(entry.params(name=name, **parameters), TAIL if parameters else None)
        own = trainable(model)
        one = entry.facts == "groups" and (together(model, x) if joint is None else joint)
        gradients = Gradients(model, _losses, entry.facts, own, Engine(model), together=one)
        optimizer = SgdOptimizer(Sgd(name="sgd", lr=RATE))

        def step(x: Tensor, y: Tensor) -> None:
            made = gradients.take(x, y, record=False)
            direction, _ = aggregator.update(gradients.given(made, len(x)), {})
            optimizer.apply(own, direction.tensors, RATE, decay=True)

        return step

    return build


def _losses(outputs: Tensor, y: Tensor) -> Tensor:
    return functional.cross_entropy(outputs, y, reduction="none")


def opacus_sort(reduce: Callable[[Tensor], Tensor]) -> Build:
    """Per-example gradients by Opacus' hooks, sorted by torch."""

    def build(model: nn.Module, x: Tensor) -> Step:
        from opacus import GradSampleModule

        del x
        wrapped = GradSampleModule(model, loss_reduction="sum")
        optimizer = torch.optim.SGD(model.parameters(), lr=RATE)

        def step(x: Tensor, y: Tensor) -> None:
            optimizer.zero_grad()
            _losses(wrapped(x), y).sum().backward()
            for parameter in model.parameters():
                parameter.grad = reduce(parameter.grad_sample.sort(dim=0).values)
                parameter.grad_sample = None
            optimizer.step()

        return step

    return build


def _winsorized(ordered: Tensor) -> Tensor:
    return ordered.clamp(ordered[TAIL], ordered[-TAIL - 1]).mean(dim=0)


def _trimmed(ordered: Tensor) -> Tensor:
    return ordered[TAIL:-TAIL].mean(dim=0)


def _median(ordered: Tensor) -> Tensor:
    return ordered[(len(ordered) - 1) // 2 : len(ordered) // 2 + 1].mean(dim=0)


METHODS: dict[str, tuple[Build, int, int | None]] = {
    "winsorized": (ours("winsorized", level=TAIL / 63 * 100), 64, TAIL),
    "trimmed-mean": (ours("trimmed-mean", level=TAIL / 63 * 100), 64, TAIL),
    "coordinate-median": (ours("coordinate-median"), 64, 31),
    "median-of-3": (ours("median-of-3"), 126, None),
    "Opacus + sort, winsorized": (opacus_sort(_winsorized), 64, TAIL),
    "Opacus + sort, trimmed-mean": (opacus_sort(_trimmed), 64, TAIL),
    "Opacus + sort, coordinate-median": (opacus_sort(_median), 64, 31),
}
"""Method -> how it is built, batch size, k."""

WAYS: dict[str, tuple[Build, int, int | None]] = {
    "median-of-3, one pass": (ours("median-of-3", joint=True), 126, None),
    "median-of-3, three passes": (ours("median-of-3", joint=False), 126, None),
}
"""The same, printed alone."""

ALL = {**METHODS, **WAYS}

SLOW = 3
"""Repetitions of what takes a hundred plain steps."""


def seconds(step: Step, x: Tensor, y: Tensor, repeats: int) -> float:
    """CPU seconds of one step, over `repeats`."""
    began = time.process_time()
    for _ in range(repeats):
        step(x, y)
    return (time.process_time() - began) / repeats


def measure(name: str, methods: list[str], repetitions: int) -> list[dict]:
    """Rows of one model."""
    obvious = [method for method in methods if method.startswith("Opacus")]
    own = [method for method in methods if method not in obvious]
    found = {**ratios(name, own, repetitions), **ratios(name, obvious, min(repetitions, SLOW))}
    return [
        {"model": name, "batch": ALL[method][1], "method": method, "k": ALL[method][2], **summary(each)}
        for method, each in found.items()
    ]


def ratios(name: str, methods: list[str], repetitions: int) -> dict[str, list[float]]:
    """CPU time of a step over that of the plain steps before and after it, of each method."""
    _, shape = NETS[name]
    batches = {size: (torch.randn(size, *shape), torch.randint(10, (size,))) for size in (64, 126)}
    base = plain(copy.deepcopy(net(name)))
    steps = {method: ALL[method][0](copy.deepcopy(net(name)), batches[64][0][:2]) for method in methods}
    for method, step in steps.items():
        base(*batches[ALL[method][1]])
        step(*batches[ALL[method][1]])
    repeats = max(1, round(0.05 / seconds(base, *batches[64], 3)))
    found: dict[str, list[float]] = {method: [] for method in methods}
    for _ in range(repetitions):
        for method in random.sample(methods, len(methods)):
            batch = batches[ALL[method][1]]
            before = seconds(base, *batch, repeats)
            own = seconds(steps[method], *batch, 1 if method.startswith("Opacus") else repeats)
            found[method].append(2 * own / (before + seconds(base, *batch, repeats)))
    return found


def summary(ratios: list[float]) -> dict[str, float]:
    """Median and quartiles."""
    low, middle, high = statistics.quantiles(ratios, n=4)
    return {"ratio": round(middle, 3), "low": round(low, 3), "high": round(high, 3), "repetitions": len(ratios)}


def figure(rows: list[dict], path: Path) -> None:
    """Ratios of all methods, one panel a model, on a logarithmic axis."""
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(row["model"] for row in rows))
    drawn = Figure(figsize=(3 * len(names), 3.4), layout="constrained")
    for axes, name in zip(drawn.subplots(1, len(names), sharey=True, squeeze=False)[0], names, strict=True):
        own = [row for row in rows if row["model"] == name][::-1]
        ratio = [row["ratio"] for row in own]
        spread = [[row["ratio"] - row["low"] for row in own], [row["high"] - row["ratio"] for row in own]]
        colours = ["C7" if row["method"].startswith("Opacus") else "C0" for row in own]
        axes.barh([row["method"] for row in own], ratio, xerr=spread, color=colours)
        axes.axvline(1, color="black", linewidth=0.8)
        axes.set(xscale="log", title=name, xlabel="CPU time / plain step")
    drawn.savefig(path, dpi=120)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=11)
    parser.add_argument("--models", nargs="+", choices=NETS, default=list(NETS))
    parser.add_argument("--methods", nargs="+", choices=ALL, default=list(METHODS))
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for name in given.models:
        rows += measure(name, given.methods, given.repetitions)
        for row in rows[-len(given.methods) :]:
            line = f"{row['model']:20} {row['batch']:>4} {row['method']:34} {row['ratio']:7.2f}"
            print(f"{line}  {row['low']:.2f}-{row['high']:.2f}", flush=True)
    write([row for row in rows if row["method"] in METHODS])


def write(rows: list[dict]) -> None:
    """New rows in the place of old ones of the same model and method; the figure of all."""
    kept = json.loads(RESULTS.read_text())["rows"] if RESULTS.exists() else []
    found = {(row["model"], row["method"]): row for row in [*kept, *rows]}
    ordered = [found[model, method] for model in NETS for method in METHODS if (model, method) in found]
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({"torch": torch.__version__, "rows": ordered}, indent=1) + "\n")
    figure(ordered, RESULTS.with_suffix(".png"))


if __name__ == "__main__":
    main()
