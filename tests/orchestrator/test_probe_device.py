"""Measuring on a CUDA device: the handshake with copies, a copy's reading, and the whole where there is a GPU."""

from typing import Any

import pytest

from orchestrator import probe_device
from orchestrator.packing import DeviceFullError, Reading, find_share
from orchestrator.probe_device import CudaMeter, ProbeError, cap_memory, run_copy, step_seconds
from tests.orchestrator.test_geometry import spec_of
from trainables.spec import canonical_json

SPEC = spec_of("digits", {"name": "mlp", "widths": [8]}, measure={"probe": {"examples": 100}})
COPY = """
import json, os, sys
assert sys.stdin.readline().strip() == {spec!r}
print('{{"ready": true}}', flush=True)
assert sys.stdin.readline().strip() == "go"
{then}
"""


def copies_that(monkeypatch: pytest.MonkeyPatch, then: str) -> None:
    code = COPY.format(spec=canonical_json(SPEC), then=then)
    monkeypatch.setattr(probe_device, "COPY", ("-c", code))


def test_the_largest_peak_and_the_slowest_step_of_all_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    copies_that(monkeypatch, 'print(json.dumps({"peak": os.getpid(), "step_s": -os.getpid()}))')
    found = CudaMeter().measure(SPEC, 2)
    assert found.step_s > -found.peak, "the two come from different processes"


def test_one_full_copy_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    copies_that(monkeypatch, 'print(json.dumps({"full": True}))')
    with pytest.raises(DeviceFullError):
        CudaMeter().measure(SPEC, 2)


def test_a_copy_that_dies_is_no_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    copies_that(monkeypatch, "sys.exit(3)")
    with pytest.raises(ProbeError, match="ended with code 3"):
        CudaMeter().measure(SPEC, 1)


def test_a_copy_trains_a_few_steps_and_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the CPU, with what only a GPU can tell put in its place."""
    synchronized: list[int] = []
    monkeypatch.setattr("torch.cuda.synchronize", lambda: synchronized.append(1))
    monkeypatch.setattr("torch.cuda.max_memory_reserved", lambda: 7)
    monkeypatch.setattr(probe_device, "SECONDS", 0.001)
    found = run_copy(SPEC)
    assert found["peak"] == 7
    assert 0 < found["step_s"] < 1
    assert 4 <= len(synchronized) < SPEC.total_steps


@pytest.mark.parametrize(("error", "full"), [("CUDA out of memory", True), ("shapes do not match", False)])
def test_running_out_is_told_and_a_bug_is_raised(monkeypatch: pytest.MonkeyPatch, error: str, full: bool) -> None:
    def broken(*arguments: Any, **named: Any) -> None:
        raise RuntimeError(error)

    monkeypatch.setattr("trainables.trial.run_trial", broken)
    if full:
        assert run_copy(SPEC) == {"full": True}
    else:
        with pytest.raises(RuntimeError, match="shapes"):
            run_copy(SPEC)


def test_the_first_step_and_single_slow_ones_do_not_count() -> None:
    assert step_seconds(0.0, [9.0, 10.0, 11.0, 19.0]) == 1.0
    assert step_seconds(2.0, [5.0]) == 3.0


def no_gpu() -> bool:
    import torch

    return not torch.cuda.is_available()


@pytest.mark.gpu
@pytest.mark.slow
@pytest.mark.skipif("no_gpu()", reason="no GPU")
def test_a_share_of_a_real_gpu_holds_its_trials() -> None:
    import torch

    meter = CudaMeter()
    device = meter.device()
    assert 0 < device.context < device.free <= device.total
    alone = meter.measure(SPEC, 1)
    assert isinstance(alone, Reading)
    assert 0 < alone.peak < device.total
    share = find_share(meter, SPEC, 4)
    assert 1 <= share.copies <= 4
    cap_memory(0.01)
    try:
        with pytest.raises(torch.cuda.OutOfMemoryError):
            torch.zeros(int(0.02 * device.total), dtype=torch.uint8, device="cuda")
    finally:
        cap_memory(1.0)
