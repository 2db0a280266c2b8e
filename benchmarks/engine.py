"""Cost of per-example statistics as a multiple of the plain step, beside the libraries, in one run.

    python benchmarks/engine.py [--repetitions 11] [--batch 64 128]

One torch thread, CPU time of the process, every measurement bracketed by plain steps of the same run; order
shuffled in each repetition. Writes benchmarks/results/engine.json (model, batch, method, ratio, low, high).
"""

import argparse
import json
import random
import statistics
import time
from pathlib import Path

import torch
from methods import METHODS, MODELS, Step, plain, steps

RESULTS = Path(__file__).parent / "results" / "engine.json"


def seconds(step: Step, x: torch.Tensor, y: torch.Tensor, repeats: int) -> float:
    """CPU seconds of one step, over `repeats`."""
    began = time.process_time()
    for _ in range(repeats):
        step(x, y)
    return (time.process_time() - began) / repeats


def measure(name: str, batch: int, repetitions: int) -> list[dict]:
    """Rows of one model and batch size."""
    _, shape = MODELS[name]()
    x, y = torch.randn(batch, *shape), torch.randint(10, (batch,))
    base = steps(name, plain)
    others = {method: steps(name, build) for method, build in METHODS.items()}
    for step in (base, *others.values()):
        step(x, y)
    repeats = max(1, round(0.05 / seconds(base, x, y, 3)))
    ratios: dict[str, list[float]] = {method: [] for method in others}
    for _ in range(repetitions):
        for method in random.sample(list(others), len(others)):
            before = seconds(base, x, y, repeats)
            own = seconds(others[method], x, y, repeats if "vmap" not in method else 1)
            after = seconds(base, x, y, repeats)
            ratios[method].append(2 * own / (before + after))
    return [
        {"model": name, "batch": batch, "method": method, **summary(found), "repetitions": repetitions}
        for method, found in ratios.items()
    ]


def summary(ratios: list[float]) -> dict[str, float]:
    """Median and quartiles."""
    low, middle, high = statistics.quantiles(ratios, n=4)
    return {"ratio": round(middle, 3), "low": round(low, 3), "high": round(high, 3)}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=11)
    parser.add_argument("--batch", type=int, nargs="+", default=[64, 128])
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows = [row for name in MODELS for batch in given.batch for row in measure(name, batch, given.repetitions)]
    print(f"{'model':22} {'batch':>5}  {'method':22} {'ratio':>6}  quartiles")
    for row in rows:
        line = f"{row['model']:22} {row['batch']:>5}  {row['method']:22} {row['ratio']:6.2f}"
        print(f"{line}  {row['low']:.2f}-{row['high']:.2f}")
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({"torch": torch.__version__, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
