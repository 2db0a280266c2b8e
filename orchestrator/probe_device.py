"""Measures trials on this process's CUDA device, each copy in a process of its own, as trials run; caps a process.

A copy (`python -m orchestrator.probe_device`) reads a spec, makes its context, says so, and begins when it is told to:
so all copies train at the same time. Nothing is written to any store.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from statistics import median

from orchestrator.calibrate import thinned
from orchestrator.failures import failure_class
from orchestrator.packing import Device, DeviceFullError, Reading, Share, find_share
from trainables.spec import TrialSpec, canonical_json, parse_spec

SECONDS = 2.0
"""Of steps that are timed; three steps at least."""

COPY = ("-m", "orchestrator.probe_device")
"""What a copy runs."""


class ProbeError(RuntimeError):
    """A copy ended without a reading."""


class CudaMeter:
    """The current CUDA device of this process."""

    def device(self) -> Device:
        """Bytes in all, free, and of the context of one idle process."""
        import torch

        free, total = torch.cuda.mem_get_info()
        with _copies(None, 1):
            context = free - torch.cuda.mem_get_info()[0]
        return Device(total, free, context)

    def measure(self, spec: TrialSpec, copies: int) -> Reading:
        """Peak of the copies and the slowest one's step."""
        with _copies(spec, copies) as running:
            for one in running:
                _tell(one, "go")
            found = [_answer(one) for one in running]
        if any("full" in one for one in found):
            raise DeviceFullError(f"{copies} copies do not fit")
        return Reading(max(one["peak"] for one in found), max(one["step_s"] for one in found))


def share_of(spec: str, most: int) -> Share:
    """The share for the kind of this spec (canonical JSON) on this process's device."""
    return find_share(CudaMeter(), parse_spec(spec), most)


def device_here() -> Device:
    """This process's device, while nothing else is on it."""
    return CudaMeter().device()


def cap_memory(part: float) -> None:
    """Let torch allocate no more than this part of the device's memory in this process."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.set_per_process_memory_fraction(part)


@contextmanager
def _copies(spec: TrialSpec | None, copies: int) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that have their context and wait; ended with the block. spec: None makes an idle one."""
    paths = os.pathsep.join(path for path in sys.path if path)
    running = [
        subprocess.Popen(
            [sys.executable, *COPY],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": paths},
        )
        for _ in range(copies)
    ]
    try:
        for one in running:
            _tell(one, "null" if spec is None else canonical_json(spec))
        for one in running:
            _answer(one)
        yield running
    finally:
        for one in running:
            one.kill()
            one.communicate()


def _tell(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()


def _answer(process: subprocess.Popen[str]) -> dict:
    assert process.stdout is not None
    if not (line := process.stdout.readline()):
        raise ProbeError(
            f"a probe of the device ended with code {process.wait()}; what it printed is in the log of its worker."
        )
    return json.loads(line)


def run_copy(spec: TrialSpec) -> dict[str, float | bool]:
    """The first steps of a trial in this process: its peak and the seconds of a step, or that memory ran out."""
    import torch

    from trainables.sink import ListSink
    from trainables.trial import run_trial

    began, ends = time.perf_counter(), list[float]()

    def note(step: int, total: int) -> None:
        del step, total
        torch.cuda.synchronize()
        ends.append(time.perf_counter())

    try:
        run_trial(thinned(spec), ListSink(), should_stop=lambda: _enough(ends), on_step=note)
    except Exception as error:  # out of memory comes in several classes; all else is raised as it is
        if failure_class(error) != "device-memory":
            raise
        return {"full": True}
    return {"peak": torch.cuda.max_memory_reserved(), "step_s": step_seconds(began, ends)}


def step_seconds(began: float, ends: Sequence[float]) -> float:
    """Median of the steps after the first, which also loads, builds and probes; of a single step, all its time."""
    return median(after - before for before, after in pairwise(ends)) if len(ends) > 1 else ends[0] - began


def _enough(ends: Sequence[float]) -> bool:
    return len(ends) > 3 and ends[-1] - ends[0] >= SECONDS


def _main() -> None:
    import torch

    # What the libraries print must not stand between the answers.
    answers, sys.stdout = sys.stdout, sys.stderr
    spec = sys.stdin.readline().strip()
    torch.cuda.init()
    torch.zeros(1, device="cuda")
    print(json.dumps({"ready": True}), file=answers, flush=True)
    if spec != "null" and sys.stdin.readline().strip() == "go":
        print(json.dumps(run_copy(parse_spec(spec))), file=answers, flush=True)
    else:
        sys.stdin.readline()


if __name__ == "__main__":
    _main()
