"""Planning `gpu: auto`: with the shares that launches left in the store, within bounds where they left none."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.errors import UserError
from orchestrator.estimates import Amount
from orchestrator.known_shares import FOLDER, known_shares, remember
from orchestrator.load import builtin_sweeps
from orchestrator.packed_plan import Packing
from orchestrator.packing import Device, Share, pack_kind
from orchestrator.resources import Node, Resources
from orchestrator.store import Store, create_store
from tests.orchestrator.test_geometry import spec_of
from tests.orchestrator.test_packing import fail
from trainables.spec import TrialSpec

Coherence = Callable[..., tuple[int, str, str]]
DEVICE = Device(80 * 2**30, 79 * 2**30, 2**29)
SMALL, LARGE = (spec_of("digits", {"name": "mlp", "widths": [width]}) for width in (8, 80))
NODES: list[Node] = [{"CPU": 8.0, "GPU": 1.0}]
SECOND = Amount(1.0, 0.5, 2.0)


def timed(*specs: TrialSpec) -> list[tuple[TrialSpec, Amount]]:
    return [(spec, SECOND) for spec in specs]


def test_what_was_measured_is_kept_and_measured_again(store: Store) -> None:
    assert known_shares(store) == {}
    remember(store, {pack_kind(SMALL): Share(4, DEVICE), pack_kind(LARGE): Share(2, DEVICE)}, "one")
    remember(store, {pack_kind(SMALL): Share(6, DEVICE)}, "two")
    assert known_shares(store) == {pack_kind(SMALL): Share(6, DEVICE), pack_kind(LARGE): Share(2, DEVICE)}


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"kind": ["a"], "copies": 1, "device": {}}'])
def test_a_damaged_share_is_named(store: Store, content: str) -> None:
    (store.root / FOLDER).mkdir()
    (store.root / FOLDER / "0123456789ab.json").write_text(content)
    with pytest.raises(UserError, match=r"0123456789ab.json is damaged .* delete it"):
        known_shares(store)


def test_with_all_shares_known_the_interval_is_that_of_the_seconds() -> None:
    packing = Packing(Resources(gpu=1), {pack_kind(SMALL): Share(4, DEVICE)}, NODES, auto=True)
    four = timed(*[SMALL] * 4)
    assert packing.wall(four) == SECOND
    assert packing.gpu_seconds(four) == SECOND
    assert (packing.at_once([SMALL]), packing.unknown([SMALL])) == (4, (0, 1))


def test_of_an_unknown_kind_the_lower_end_is_as_many_as_may_be() -> None:
    packing = Packing(Resources(gpu=1), {}, NODES, auto=True)
    eight = timed(*[SMALL] * 8)
    assert packing.most == 8, "a GPU has eight processors"
    assert packing.wall(eight) == Amount(8.0, 0.5, 16.0)
    assert packing.gpu_seconds(eight) == Amount(8.0, 0.5, 16.0)
    assert (packing.at_once([SMALL]), packing.unknown([SMALL, LARGE])) == (1, (2, 2))


def test_a_given_share_has_no_other_bound() -> None:
    packing = Packing(Resources(gpu=0.5), {}, NODES)
    assert packing.wall(timed(SMALL, SMALL)) == SECOND


def test_kinds_of_several_shares_share_the_nodes() -> None:
    shares = {pack_kind(SMALL): Share(4, DEVICE), pack_kind(LARGE): Share(2, DEVICE)}
    packing = Packing(Resources(gpu=1), shares, NODES, auto=True)
    assert packing.wall(timed(LARGE, SMALL, SMALL)).middle == 1.0
    assert packing.wall(timed(LARGE, LARGE, SMALL)).middle == 2.0


def test_a_plan_takes_shares_from_the_store_and_says_so(coherence: Coherence, tmp_path: Path) -> None:
    file = tmp_path / "auto.yaml"
    file.write_text(builtin_sweeps()["smoke"] + "resources: {cpu: 1, gpu: auto}\n")
    asked = ("plan", file, "--store", tmp_path / "results", "--nodes", "1x(cpu=8,gpu=1)")
    before = json.loads(coherence(*asked, "--json")[1])
    assert "not measured yet" in coherence(*asked)[1]
    assert (before["workers"], before["gpu_seconds"]) == (1, before["cpu_seconds"])
    store = create_store(tmp_path / "results")
    from orchestrator.load import load_sweep

    specs = list(load_sweep(str(file), store).specs.values())
    remember(store, {pack_kind(spec): Share(8, DEVICE) for spec in specs}, "test")
    after = json.loads(coherence(*asked, "--json")[1])
    assert "were measured" in coherence(*asked)[1]
    assert after["workers"] == 8
    assert after["gpu_seconds"] == pytest.approx(after["cpu_seconds"] / 8, abs=0.1)
    assert after["wall_seconds"] < before["wall_seconds"]
    fail(store, specs[0], "device-memory")
    enlarged = json.loads(coherence(*asked, "--json")[1])
    assert enlarged["gpu_seconds"] > after["gpu_seconds"], "a launch would give its kind twice the share"
