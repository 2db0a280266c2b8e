"""Plans for a cluster: nodes as one writes them, list scheduling, wall time and money."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import UserError
from orchestrator.estimates import Amount
from orchestrator.load import builtin_sweeps
from orchestrator.makespan import Placed, makespan, schedule
from orchestrator.nodes import Cluster, parse_nodes
from orchestrator.resources import Node

Coherence = Callable[..., tuple[int, str, str]]
GPU_NODE: Node = {"CPU": 8, "GPU": 1}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1x(cpu=4)", [{"CPU": 4, "GPU": 0}]),
        ("2x(cpu=8,gpu=1)", [GPU_NODE, GPU_NODE]),
        (" 1x(cpu=0.5) + 1x(cpu=8, gpu=1) ", [{"CPU": 0.5, "GPU": 0}, GPU_NODE]),
    ],
)
def test_nodes_as_written(text: str, expected: list[Node]) -> None:
    assert parse_nodes(text) == expected


@pytest.mark.parametrize(
    "text", ["", "4", "4x", "4x(gpu=1)", "0x(cpu=1)", "2x(cpu=0)", "2x(cpu=8,gpu=0.5)", "2x(cpu=8)+", "99999x(cpu=1)"]
)
def test_what_is_no_cluster_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"^--nodes: given "):
        parse_nodes(text)


def test_each_starts_where_a_slot_is_free_first() -> None:
    assert list(schedule([5, 4, 3, 2, 1], 2)) == [
        Placed(0, 0, 5),
        Placed(1, 0, 4),
        Placed(1, 4, 7),
        Placed(0, 5, 7),
        Placed(0, 7, 8),
    ]


def test_an_interval_is_scheduled_end_by_end() -> None:
    amounts = [Amount(4, 2, 8), Amount(2, 1, 4), Amount(2, 1, 4)]
    assert makespan(amounts, 2) == Amount(4, 2, 8)
    assert makespan(amounts, 1) == Amount(8, 4, 16)
    assert makespan([], 3) == Amount(0, 0, 0)


@given(st.lists(st.floats(0.1, 100), min_size=1, max_size=40), st.integers(1, 9))
def test_list_scheduling_of_the_longest_first_is_within_its_bound(seconds: list[float], slots: int) -> None:
    """No schedule beats the shared work or the longest; a list's is at most both together."""
    longest_first = sorted(seconds, reverse=True)
    found = max(placed.end for placed in schedule(longest_first, slots))
    least = max(sum(seconds) / slots, longest_first[0])
    assert least - 1e-9 <= found <= sum(seconds) / slots + longest_first[0] + 1e-9


def test_all_nodes_are_paid_until_the_end() -> None:
    cluster = Cluster([GPU_NODE] * 4, 1.5)
    assert cluster.money(Amount(3600, 1800, 7200)) == Amount(6, 3, 12)
    assert Cluster([GPU_NODE]).money(Amount(1, 1, 1)) is None


def planned(coherence: Coherence, tmp_path: Path, *arguments: str, resources: str = "{cpu: 2}") -> dict:
    file = tmp_path / "sweep.yaml"
    file.write_text(builtin_sweeps()["smoke"] + f"resources: {resources}\n")
    code, out, err = coherence("plan", file, "--json", "--store", tmp_path / "none", *arguments)
    assert code == 0, err
    return json.loads(out)


def test_a_plan_for_nodes_counts_their_slots_and_money(coherence: Coherence, tmp_path: Path) -> None:
    one = planned(coherence, tmp_path, "--workers", "1")
    assert (one["money"], one["price"], one["nodes"]) == (None, None, None)
    many = planned(coherence, tmp_path, "--nodes", "1x(cpu=3)+50x(cpu=4)", "--price", "7200")
    assert (many["workers"], many["nodes"], many["price"]) == (101, 51, 7200)
    assert many["cpu_seconds"] == one["cpu_seconds"]
    assert many["wall_seconds"] < one["wall_seconds"]
    for end in ("", "_low", "_high"):
        assert many[f"money{end}"] == pytest.approx(2 * 51 * many[f"wall_seconds{end}"], rel=0.1)


def test_gpus_of_the_nodes_bound_what_runs_at_once(coherence: Coherence, tmp_path: Path) -> None:
    text = "1x(cpu=64)+2x(cpu=8,gpu=1)"
    assert planned(coherence, tmp_path, "--nodes", text, resources="{gpu: 0.25}")["workers"] == 8
    assert planned(coherence, tmp_path, "--nodes", text, resources="{gpu: auto}")["workers"] == 2
    assert planned(coherence, tmp_path, "--nodes", "1x(cpu=64)", resources="{gpu: auto}")["workers"] == 64


def test_a_plan_says_money_and_a_dropped_gpu_in_words(coherence: Coherence, tmp_path: Path) -> None:
    file = tmp_path / "sweep.yaml"
    file.write_text(builtin_sweeps()["smoke"] + "resources: {gpu: auto}\n")
    _, out, _ = coherence("plan", file, "--nodes", "3x(cpu=2)", "--price", "1.2", "--store", tmp_path / "none")
    assert "money: about" in out
    assert "1.2 per node-hour" in out
    assert "no node has a GPU: trials run on the CPU (resources asked for gpu: auto)" in out
    assert "GPU-hours" not in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--price", "1.2"), "--nodes or --address"),
        (("--nodes", "2x(cpu=2)", "--price", "-1"), "--price: given -1"),
        (("--nodes", "2x(cpu=2)", "--price", "nan"), "--price: given nan"),
        (("--nodes", "2x(cpu=2)", "--workers", "2"), "give one of them"),
        (("--nodes", "2x(cpu=0.5)"), "which no node can give"),
        (("--nodes", "two"), "--nodes: given 'two'"),
        (("--address", "nowhere"), "expected HOST:PORT"),
    ],
)
def test_misuse_is_one_line(coherence: Coherence, tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    code, out, err = coherence("plan", "smoke", "--store", tmp_path / "none", *arguments)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert words in err
