"""Shares of a GPU, found on a simulated device: memory, throughput, and what is learnt from running out."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from orchestrator.known_shares import known_shares, remember
from orchestrator.load import builtin_sweeps
from orchestrator.packing import (
    MARGIN,
    Device,
    DeviceFullError,
    Reading,
    Share,
    enlarged,
    find_share,
    pack_kind,
    short_of_memory,
)
from orchestrator.resources import Node, Resources, slots
from orchestrator.shapes import Shapes, packed
from orchestrator.store import Store
from tests.orchestrator.simulated_device import SimulatedDevice, ideal, saturating_at
from tests.orchestrator.test_geometry import spec_of
from trainables.records import write_part
from trainables.spec import TrialSpec, trial_id

Coherence = Callable[..., tuple[int, str, str]]
GIB = 2**30
SMALL = spec_of("digits", {"name": "mlp", "widths": [8]})
LARGE = spec_of("digits", {"name": "mlp", "widths": [80]})


def simulated(peak: int, step_s: Any = ideal, **changes: Any) -> SimulatedDevice:
    return SimulatedDevice(16 * GIB, {pack_kind(SMALL): peak}, step_s, **changes)


@pytest.mark.parametrize(
    ("changes", "kind_differs"),
    [
        ({"seed": 5}, False),
        ({"epochs": 7}, False),
        ({"batch_size": 64}, True),
        ({"aggregator": "median-of-3"}, True),
    ],
)
def test_what_a_kind_is(changes: dict[str, Any], kind_differs: bool) -> None:
    other = spec_of("digits", {"name": "mlp", "widths": [8]}, **changes)
    assert (pack_kind(other) != pack_kind(SMALL)) == kind_differs
    assert pack_kind(LARGE) != pack_kind(SMALL)


@pytest.mark.parametrize(("peak", "copies"), [(1, 12), (2, 6), (3, 4), (4, 3), (5, 2), (9, 1), (17, 1)])
def test_memory_with_its_margin_bounds_the_number(peak: int, copies: int) -> None:
    share = find_share(simulated(peak * GIB), SMALL, 99)
    assert share.copies == copies
    if peak < 17:
        assert copies * MARGIN * peak <= 16 or copies == 1


def test_a_context_for_each_process_counts() -> None:
    assert find_share(simulated(GIB, context=GIB), SMALL, 99).copies == 6


@pytest.mark.parametrize(("saturates", "copies"), [(1, 1), (2, 2), (3, 3), (6, 6), (99, 12)])
def test_no_more_than_throughput_grows_with(saturates: int, copies: int) -> None:
    device = simulated(GIB, saturating_at(saturates))
    assert find_share(device, SMALL, 99).copies == copies


def test_probing_ends_with_the_first_number_that_is_not_worth_it() -> None:
    device = simulated(GIB, saturating_at(2))
    find_share(device, SMALL, 99)
    assert device.measured == [1, 2, 3]


def test_no_more_than_the_processors_allow() -> None:
    assert find_share(simulated(GIB), SMALL, 3).copies == 3
    assert find_share(simulated(GIB), SMALL, 0).copies == 1


def test_a_peak_that_grows_with_company_is_believed() -> None:
    class Growing(SimulatedDevice):
        def measure(self, spec: TrialSpec, copies: int) -> Reading:
            return replace(super().measure(spec, copies), peak=copies**2 * GIB)

    assert find_share(Growing(16 * GIB, {pack_kind(SMALL): GIB}, ideal), SMALL, 99).copies == 2


def test_running_out_while_packed_keeps_what_fitted() -> None:
    class Fragmented(SimulatedDevice):
        def measure(self, spec: TrialSpec, copies: int) -> Reading:
            if copies > 3:
                raise DeviceFullError("simulated")
            return super().measure(spec, copies)

    assert find_share(Fragmented(16 * GIB, {pack_kind(SMALL): GIB}, ideal), SMALL, 99).copies == 3


@pytest.mark.parametrize("copies", range(1, 17))
def test_shares_fill_one_device_and_no_more(copies: int) -> None:
    share = Share(copies, Device(16 * GIB, 15 * GIB, GIB // 2))
    assert slots(Resources(cpu=0.01, gpu=share.gpu), [{"CPU": 1.0, "GPU": 1.0}]) == copies
    if share.memory is None:
        assert copies == 1
    else:
        assert copies * (share.memory * 16 * GIB + GIB // 2) == pytest.approx(15 * GIB)


def test_a_capped_trial_cannot_take_its_neighbours_memory() -> None:
    device = simulated(3 * GIB)
    share = find_share(device, SMALL, 99)
    device.run([(SMALL, share.memory)] * share.copies)
    device.peaks[pack_kind(SMALL)] = 5 * GIB  # later steps need more than the probe saw
    with pytest.raises(DeviceFullError):
        device.run([(SMALL, share.memory)])
    device.run([(SMALL, share.doubled(1).memory)])


def test_doubling_ends_at_a_whole_device() -> None:
    share = Share(6, Device(GIB, GIB, 0))
    assert [share.doubled(times).copies for times in range(5)] == [6, 3, 1, 1, 1]
    assert share.doubled(5).gpu == 1


def test_attempts_that_ran_out_enlarge_the_share_of_their_kind_alone(store: Store) -> None:
    again = spec_of("digits", {"name": "mlp", "widths": [8]}, seed=1)
    fail(store, SMALL, "device-memory", "infrastructure")
    fail(store, again, "device-memory", "device-memory")
    fail(store, LARGE, "host-memory")
    short = short_of_memory(store, [SMALL, again, LARGE])
    assert short == {pack_kind(SMALL): 2}
    device = Device(GIB, GIB, 0)
    found = enlarged({pack_kind(SMALL): Share(8, device), pack_kind(LARGE): Share(8, device)}, short)
    assert [share.copies for share in found.values()] == [2, 8]


def fail(store: Store, spec: TrialSpec, *failures: str) -> None:
    for number, failure in enumerate(failures):
        row = {"trial_id": trial_id(spec), "attempt": number, "outcome": "failed", "failure": failure}
        write_part(store.attempt_file(trial_id(spec), number), "attempts", [row], tag="test")


def test_a_launch_measures_each_kind_once_and_shapes_its_trials(store: Store) -> None:
    device = SimulatedDevice(16 * GIB, {pack_kind(SMALL): GIB, pack_kind(LARGE): 5 * GIB}, ideal)
    nodes: list[Node] = [{"CPU": 64.0}, {"CPU": 16.0, "GPU": 2.0}]
    specs = [spec.model_copy(update={"seed": seed}) for seed in range(3) for spec in (SMALL, LARGE)]
    asked: list[int] = []
    told: list[str] = []

    def find(firsts: Any, most: int) -> Any:
        asked.append(most)
        return {kind: find_share(device, spec, most) for kind, spec in firsts.items()}

    keep = partial(remember, store, tag="launch")
    shapes = packed(Resources(gpu=1), specs, nodes, {pack_kind(SMALL): 1}, find, told.append, keep)
    assert [share.copies for share in known_shares(store).values()].count(8) == 1, "as measured, before it is enlarged"
    assert asked == [8], "sixteen processors for two GPUs"
    assert device.measured.count(1) == 2
    assert [shapes.of(spec) for spec in specs[:2]] == [Resources(gpu=0.25), Resources(gpu=0.5)]
    assert shapes.at_once(nodes) == 8
    assert shapes.fewer(nodes).of(SMALL) == Resources(cpu=2, gpu=0.25)
    assert [line for line in told if "ran out of device memory 1 times" in line and "[8]" in line]


@pytest.mark.parametrize(("share", "short"), [("auto", {}), ("0.5", None)])
def test_a_run_has_shares_measured_where_the_sweep_says_so(
    coherence: Coherence, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: str, short: dict | None
) -> None:
    calls: list[tuple[Any, ...]] = []
    monkeypatch.setattr("orchestrator.tune.run_on_ray", lambda *given, short: calls.append((given[2], short)))
    file = tmp_path / "sweep.yaml"
    file.write_text(builtin_sweeps()["smoke"] + f"resources: {{gpu: {share}}}\n")
    coherence("run", file, "--store", tmp_path / "results")
    assert calls == [(Resources(gpu=1 if share == "auto" else 0.5), short)]


def test_without_shares_all_trials_have_one_shape() -> None:
    shapes = Shapes(Resources(cpu=2))
    assert (shapes.of(SMALL), shapes.memory(SMALL)) == (Resources(cpu=2), None)
    assert shapes.at_once([{"CPU": 5.0}]) == 2


@pytest.mark.parametrize(("gpu", "copies"), [(0.25, 4), (0.3, 3), (0.5, 2)])
def test_a_share_given_as_a_number_caps_memory_as_a_measured_one_does(gpu: float, copies: int) -> None:
    device = simulated(3 * GIB, context=GIB)
    memory = Shapes(Resources(gpu=gpu), device=device.device()).memory(SMALL)
    assert memory == Share(copies, device.device()).memory
    device.run([(SMALL, memory)] * copies)
    device.peaks[pack_kind(SMALL)] = 16 * GIB // copies
    with pytest.raises(DeviceFullError):
        device.run([(SMALL, memory)])


@pytest.mark.parametrize("gpu", [0.0, 0.6, 1.0, 2.0])
def test_who_has_a_device_alone_is_not_capped(gpu: float) -> None:
    assert Shapes(Resources(gpu=gpu), device=simulated(GIB).device()).memory(SMALL) is None


def test_a_share_of_an_unknown_device_is_not_capped() -> None:
    assert Shapes(Resources(gpu=0.25)).memory(SMALL) is None
