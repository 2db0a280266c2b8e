"""What a store in an object store costs beside one in a folder: requests of a trial and of a checkpoint, and seconds.

    python -m benchmarks.object_store_cost [--server moto | radosgw | URL] [--checkpoints 40] [--json FILE]

A checkpoint is what a trial does between two stretches of training: parts of three tables, then the file that a resume
needs (of an MLP with 50,890 parameters), each behind the fence of its claim. Folder and object store take turns;
medians and quartiles of wall seconds, CPU seconds of this process, and requests as a proxy counts them. The trial is
one of `digits` for one epoch that saves no checkpoint before its end.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import torch

from benchmarks.faults import tell
from benchmarks.object_servers import server
from orchestrator.attempt import RunOptions, run_attempt
from orchestrator.claims import claimed
from orchestrator.store import create_store
from tests.object_store import new_prefix
from tests.proxy import Proxy
from trainables.checkpoint import CheckpointFolder
from trainables.location import Location, locate
from trainables.sink import ParquetSink
from trainables.spec import TrialSpec

STEPS = 100
WARM = 3
"""Checkpoints that are not counted: they open connections."""
LAYERS = ("0", "1", "2", "*")
MODEL = {"0.weight": (64, 784), "0.bias": (64,), "1.weight": (10, 64), "1.bias": (10,)}
SPEC = {
    "dataset": {"name": "digits"},
    "model": {"name": "mlp", "widths": [64]},
    "optimizer": {"name": "sgd", "lr": 0.2},
    "batch_size": 100,
    "epochs": 1,
    "seed": 0,
}


def layer_row(step: int, index: int) -> dict[str, object]:
    """As the online measurement leaves it."""
    names = {"source": "online", "estimator": "example", "group": "all", "layer": LAYERS[index], "layer_index": index}
    return {"step": step, **names, "n": 32, "k": 1, "alpha": 0.1 * step}


class Checkpoints:
    """A trial of one store that does nothing but save."""

    def __init__(self, root: Location, check: Callable[[], None]) -> None:
        self.sink = ParquetSink(root, "0" * 12, 0, check)
        self.folder = CheckpointFolder(root / "checkpoints" / ("0" * 12), self.sink.written, check, "0")
        self.seconds: list[float] = []
        self.cpu: list[float] = []

    def save(self, k: int) -> None:
        """Parts k of all tables, then checkpoint k."""
        steps = range(k * STEPS, (k + 1) * STEPS)
        self.sink.write("steps", [{"step": step, "epoch": 0, "loss": 1.0 / (1 + step)} for step in steps])
        self.sink.write("evals", [{"step": step, "split": "test", "loss": 0.5} for step in steps[::20]])
        each = [layer_row(step, index) for step in steps for index in range(len(LAYERS))]
        self.sink.write("layers", each)
        content = {"step": steps[-1], "model": {name: torch.zeros(shape) for name, shape in MODEL.items()}}
        began, cpu = time.perf_counter(), time.process_time()
        self.sink.flush(k, {})
        self.folder.save(k, content)
        self.seconds.append(time.perf_counter() - began)
        self.cpu.append(time.process_time() - cpu)


def checkpoint_cost(places: dict[str, Location], proxy: Proxy, number: int) -> dict[str, object]:
    """Seconds for each place in turns, and requests where the proxy saw any."""
    results: dict[str, object] = {}
    with ExitStack() as stack:
        runs = {}
        for name, place in places.items():
            claim = stack.enter_context(claimed(create_store(place), "0" * 12, "one"))
            assert claim is not None
            runs[name] = Checkpoints(place, claim.check)
        before = Counter[str]()
        for k in range(WARM + number):
            if k == WARM:
                before = proxy.requests.copy()
            for run in runs.values():
                run.save(k)
        requests = proxy.requests - before
    for name, run in runs.items():
        low, middle, high = statistics.quantiles(run.seconds[WARM:], n=4)
        results[f"{name}: seconds a checkpoint"] = [round(value, 4) for value in (middle, low, high)]
        results[f"{name}: CPU seconds a checkpoint"] = round(statistics.median(run.cpu[WARM:]), 4)
    results["requests a checkpoint"] = {name: round(count / number, 2) for name, count in sorted(requests.items())}
    return results


def trial_cost(place: Location, proxy: Proxy) -> dict[str, int]:
    """Requests of one trial from its claim to its last."""
    create_store(place)
    before = proxy.requests.copy()
    ended = run_attempt(
        TrialSpec.model_validate(SPEC), RunOptions(str(place), checkpoint_every_s=1e9, driver="one"), lambda: False
    )
    assert ended == "completed"
    return dict(sorted((proxy.requests - before).items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", default="moto")
    parser.add_argument("--checkpoints", type=int, default=40)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name, server(given.server) as served:
        there = urlsplit(served.environment["AWS_ENDPOINT_URL"])
        proxy = Proxy(there.hostname or "", there.port or 80)
        os.environ.update(served.environment, AWS_ENDPOINT_URL=proxy.url)
        places = {"folder": Path(name) / "store", "object store": locate(new_prefix())}
        result = {
            "server": given.server,
            **checkpoint_cost(places, proxy, given.checkpoints),
            "requests of a trial": trial_cost(locate(new_prefix()), proxy),
        }
        proxy.close()
    tell(result, given.json)


if __name__ == "__main__":
    main()
