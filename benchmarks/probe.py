"""Cost of a probe as a multiple of plain passes forward and backward over the same examples, and its memory.

    python -m benchmarks.probe [--models ...] [--examples 2000 5000] [--repetitions 9]
    python -m benchmarks.probe --large 50000
    python -m benchmarks.tables

One torch thread, CPU time of the process, every measurement bracketed by plain passes in batches of 128, quartiles
beside the median. A fifth of the labels are corrupt. --large: one probe of so many CIFAR-shaped examples on a
ResNet-18 of width 8, in a process of its own, beside one of a tenth of them: CPU seconds and peak memory. Results go to
benchmarks/results/probe.json, in which a row takes the place of the one of its model and size.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from itertools import product
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.aggregators import NETS, net, seconds, summary
from trainables.example_units import example
from trainables.gradients.engine import Engine
from trainables.passes import Keep
from trainables.probe import measure_sample, probe_rows
from trainables.sample import deal
from trainables.units import Example

RESULTS = Path(__file__).parent / "results" / "probe.json"
BATCH = 128
NARROW = "resnet18 width 8"
NETS[NARROW] = ({"name": "resnet18", "width": 8}, (3, 32, 32))


class Bytes:
    """Random images kept as bytes, numbers when they are looked at."""

    device = torch.device("cpu")

    def __init__(self, size: int, shape: tuple[int, ...]) -> None:
        self._images = torch.randint(256, (size, *shape), dtype=torch.uint8)

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: slice | Tensor) -> Tensor:
        return self._images[index].float().div_(64.0).sub_(2.0)


def losses(outputs: Tensor, y: Tensor) -> Tensor:
    return functional.cross_entropy(outputs, y, reduction="none")


class Probe:
    """A probe of all examples, and plain passes over them."""

    def __init__(self, name: str, examples: int) -> None:
        self.x, self.y = Bytes(examples, NETS[name][1]), torch.randint(10, (examples,))
        self._model = net(name)
        self._units = example(Example(name="example"), self._model, losses, Engine(self._model))
        self._cells = deal(np.random.default_rng(0).permutation(examples), np.arange(examples) % 5 == 0)

    def probe(self, x: Bytes, y: Tensor) -> None:
        """One probe with its rows."""
        probe_rows(self._units, measure_sample(self._units, x, y, self._cells, Keep()), ("pristine", "corrupt"))

    def passes(self, x: Bytes, y: Tensor) -> None:
        """The gradient of the mean loss of each batch."""
        for start in range(0, len(x), BATCH):
            batch = slice(start, start + BATCH)
            functional.cross_entropy(self._model(x[batch]), y[batch]).backward()
            self._model.zero_grad()


def measure(name: str, examples: int, repetitions: int) -> dict:
    """The ratio for one model."""
    made = Probe(name, examples)
    made.probe(made.x, made.y)
    ratios = []
    for _ in range(repetitions):
        before = seconds(made.passes, made.x, made.y, 1)
        own = seconds(made.probe, made.x, made.y, 1)
        ratios.append(2 * own / (before + seconds(made.passes, made.x, made.y, 1)))
    return {"model": name, "examples": examples, **summary(ratios)}


def large(examples: int) -> dict:
    """CPU seconds of one probe, and the process' peak memory above what it held before, in MiB."""
    made = Probe(NARROW, examples)
    made.passes(Bytes(1, NETS[NARROW][1]), made.y[:1])
    held, began = _peak(), time.process_time()
    made.probe(made.x, made.y)
    return {
        "model": NARROW,
        "examples": examples,
        "seconds": round(time.process_time() - began, 1),
        "mib": _peak() - held,
    }


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", choices=NETS, default=[name for name in NETS if name != NARROW])
    parser.add_argument("--examples", type=int, nargs="+", default=[2000])
    parser.add_argument("--repetitions", type=int, default=9)
    parser.add_argument("--large", type=int)
    parser.add_argument("--alone", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.alone:
        print(json.dumps(large(given.alone)))
        return
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    rows = []
    if given.large:
        for size in (given.large // 10, given.large):
            command = [sys.executable, "-m", "benchmarks.probe", "--alone", str(size)]
            rows.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
            print(rows[-1], flush=True)
        kept["large"] = rows
    else:
        for name, size in product(given.models, given.examples):
            rows.append(measure(name, size, given.repetitions))
            print(rows[-1], flush=True)
        found = {(row["model"], row["examples"]): row for row in [*kept.get("rows", []), *rows]}
        kept["rows"] = sorted(found.values(), key=lambda row: (list(NETS).index(row["model"]), row["examples"]))
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({**kept, "torch": torch.__version__}, indent=1) + "\n")


if __name__ == "__main__":
    main()
