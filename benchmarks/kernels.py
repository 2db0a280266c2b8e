"""Regenerates trainables/gradients/costs.py: seconds that each kernel takes for each unit of its work.

    python -m benchmarks.kernels [--write]

Times every kernel on convolutions and Linear layers of the benchmark's networks and of other shapes, in both
precisions, one thread, CPU time; fits non-negative costs to relative errors; prints how often the table's choice is the
fastest and what the choices cost beside the best. Without --write the shipped table is only compared.
"""

import argparse
import itertools
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.optimize import nnls

from trainables.gradients import convolution, costs, linear
from trainables.gradients.choice import ConvolutionShape, LinearShape, cost, work
from trainables.gradients.convolution import Geometry

EXAMPLES, REPETITIONS = 32, 5
# channels, outputs, side, kernel, stride
CONVOLUTIONS = [
    *((3, 16, 32, 3, 1), (16, 16, 32, 3, 1), (16, 32, 32, 3, 2), (32, 32, 16, 3, 1), (32, 64, 16, 3, 2)),
    *((64, 64, 8, 3, 1), (64, 128, 8, 3, 2), (128, 128, 4, 3, 1), (16, 32, 32, 1, 2), (32, 64, 16, 1, 2)),
    *((64, 128, 8, 1, 2), (1, 6, 28, 5, 1), (6, 16, 14, 5, 1), (3, 128, 32, 4, 4), (3, 64, 32, 3, 1)),
    *((64, 64, 16, 3, 1), (128, 128, 8, 3, 1), (64, 64, 16, 1, 1), (8, 16, 8, 3, 1), (32, 32, 32, 1, 1)),
]
LINEARS = [(64, 128, 128), (64, 128, 512), (64, 512, 128), (16, 64, 64), (64, 64, 192), (256, 32, 32), (4, 128, 128)]
PATH = Path(costs.__file__)

Shape = ConvolutionShape | LinearShape


def main() -> None:
    """Time, fit, compare, and perhaps write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true")
    write = parser.parse_args().write
    torch.set_num_threads(1)
    tables: dict[tuple[str, str], dict[str, tuple[float, ...]]] = {}
    for dtype in (torch.float32, torch.float64):
        key = ("cpu", str(dtype).removeprefix("torch."))
        timed = [*convolutions(dtype), *linears(dtype)]
        tables[key] = fitted(timed)
        for name, table in (("shipped", costs.COSTS[key]), ("fitted", tables[key])):
            print(f"{key[1]}, {name}: {verdict(timed, table)}", flush=True)
    if write:
        PATH.write_text(f"{chr(34) * 3}{costs.__doc__}{chr(34) * 3}\n\n{rendered(tables)}")


def convolutions(dtype: torch.dtype) -> list[tuple[Shape, dict[str, float]]]:
    """Seconds of each kernel for one example, by shape."""
    found = []
    for channels, outputs, side, kernel, stride in CONVOLUTIONS:
        margin = kernel // 2 if kernel % 2 and channels != 6 else 0
        geometry = Geometry((kernel, kernel), (stride, stride), (1, 1), (margin,) * 4, "zeros", 1)
        out = (side + 2 * margin - kernel) // stride + 1
        x = torch.randn(EXAMPLES, channels, side, side, dtype=dtype)
        d = torch.randn(EXAMPLES, outputs, out, out, dtype=dtype)
        shapes: list[Any] = []
        taken = seconds(convolution, lambda g=geometry, x=x, d=d: convolution.accumulated(g, x, d), shapes)
        found.append((shapes[0], taken))
        report(found[-1])
    return found


def linears(dtype: torch.dtype) -> list[tuple[Shape, dict[str, float]]]:
    """As `convolutions`, of Linear with positions."""
    found = []
    for positions, inputs, outputs in LINEARS:
        x, d = (torch.randn(EXAMPLES, positions, size, dtype=dtype) for size in (inputs, outputs))
        shapes: list[Any] = []
        taken = seconds(linear, lambda x=x, d=d: linear._accumulated(x, d), shapes)
        found.append((shapes[0], taken))
        report(found[-1])
    return found


def seconds(module: Any, run: Any, shapes: list[Any]) -> dict[str, float]:
    """Median CPU seconds of each kernel for one example; the module's question for a kernel is answered in turn."""
    asked, names = module.choose, ["?"]
    found: dict[str, list[float]] = {}

    def answer(shape: Shape, *_: Any) -> str:
        shapes.append(shape)
        return names[0] if names[0] != "?" else next(iter(work(shape)))

    module.choose = answer
    try:
        run()
        order = list(work(shapes[0]))
        for turn, name in itertools.product(range(REPETITIONS + 1), order):
            names[0] = name
            began = time.process_time()
            run()
            if turn:
                found.setdefault(name, []).append((time.process_time() - began) / EXAMPLES)
    finally:
        module.choose = asked
    return {name: statistics.median(each) for name, each in found.items()}


def report(row: tuple[Shape, dict[str, float]]) -> None:
    """One line."""
    print(tuple(row[0]), {name: f"{1e6 * each:.1f} us" for name, each in row[1].items()}, flush=True)


def fitted(timed: list[tuple[Shape, dict[str, float]]]) -> dict[str, tuple[float, ...]]:
    """Costs of each kernel by non-negative least squares of relative errors."""
    table = {}
    for name in dict.fromkeys(name for _, taken in timed for name in taken):
        rows = [(work(shape)[name], taken[name]) for shape, taken in timed if name in taken]
        matrix = np.array([[unit / took for unit in units] for units, took in rows])
        scale = matrix.max(axis=0)
        table[name] = tuple(float(each) for each in nnls(matrix / scale, np.ones(len(rows)))[0] / scale)
    return table


def verdict(timed: list[tuple[Shape, dict[str, float]]], table: dict[str, tuple[float, ...]]) -> str:
    """How good a table's choices are on what was timed."""
    hits, chosen, best = 0, [], []
    for shape, taken in timed:
        units = work(shape)
        name = min(taken, key=lambda each: cost(units[each], table[each]))
        chosen.append(taken[name])
        best.append(min(taken.values()))
        hits += chosen[-1] == best[-1]
    worst = max(a / b for a, b in zip(chosen, best, strict=True))
    return f"fastest in {hits} of {len(timed)}, in sum {sum(chosen) / sum(best):.3f} of the best, at worst {worst:.2f}"


def rendered(tables: dict[tuple[str, str], dict[str, tuple[float, ...]]]) -> str:
    """The table as Python, two digits a number."""
    lines = ["COSTS: dict[tuple[str, str], dict[str, tuple[float, ...]]] = {"]
    for (device, dtype), table in tables.items():
        lines.append(f'    ("{device}", "{dtype}"): {{')
        for name, found in table.items():
            lines.append(f'        "{name}": ({", ".join(f"{each:.1e}" for each in found)}),')
        lines.append("    },")
    return "\n".join([*lines, "}"]) + "\n"


if __name__ == "__main__":
    main()
