"""What trials occupy against what nodes have, and where a cluster is looked for."""

import socket
from typing import Any

import pytest
from pydantic import ValidationError

from orchestrator.address import require_answer
from orchestrator.errors import UserError
from orchestrator.load import builtin_sweeps, parse_sweep
from orchestrator.resources import (
    ClusterError,
    Node,
    NodeType,
    Request,
    Resources,
    fewer,
    fit,
    largest,
    require_feasible,
    slots,
    with_startable,
)

CPUS: list[Node] = [{"CPU": 4.0}, {"CPU": 2.0}]
MIXED: list[Node] = [{"CPU": 8.0}, {"CPU": 4.0, "GPU": 2.0}]


@pytest.mark.parametrize("given", [{"cpu": 0}, {"cpu": -1}, {"gpu": -0.5}, {"cpu": True}, {"cpus": 1}, {"cpu": "1"}])
def test_nonsense_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Resources.model_validate(given)


def test_defaults() -> None:
    assert Resources() == Resources(cpu=1, gpu=0)


def test_a_gpu_is_dropped_only_where_no_node_has_one() -> None:
    wanted = Resources(gpu=0.25)
    fitted, notice = fit(wanted, CPUS)
    assert fitted == Resources()
    assert notice is not None
    assert "gpu: 0.25" in notice
    assert fit(wanted, MIXED) == (wanted, None)


@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param(Resources(cpu=16), id="no node is that large"),
        pytest.param(Resources(cpu=6, gpu=1), id="CPUs and GPU on different nodes"),
        pytest.param(Resources(gpu=4), id="more GPUs than a node has"),
    ],
)
def test_what_no_node_can_give_is_refused(wanted: Resources) -> None:
    with pytest.raises(ClusterError, match=r"nodes: 8 CPU, 0 GPU; 4 CPU, 2 GPU"):
        fit(wanted, MIXED)


def test_each_of_several_shapes_must_fit_some_node() -> None:
    shapes = [Resources(cpu=8), Resources(cpu=4, gpu=2)]
    require_feasible(shapes, MIXED)
    with pytest.raises(ClusterError, match=r"asks for cpu: 16, gpu: 0; cpu: 6, gpu: 1, which no node can give"):
        require_feasible([*shapes, Resources(cpu=16), Resources(cpu=6, gpu=1)], MIXED)


def test_nodes_that_an_autoscaler_may_start_count() -> None:
    head: list[Node] = [{"CPU": 2.0}]
    gpu_node: Node = {"CPU": 8.0, "GPU": 1.0}
    found = with_startable([*head, gpu_node], [NodeType(gpu_node, 3, live=1), NodeType({"CPU": 4.0}, 0)])
    assert found == [*head, gpu_node, gpu_node, gpu_node]
    assert fit(Resources(gpu=1), with_startable(head, [NodeType(gpu_node, None)])) == (Resources(gpu=1), None)


def test_a_share_is_a_number_or_measured() -> None:
    assert Request.model_validate({"gpu": "auto"}).at_most == Resources(cpu=1, gpu=1)
    assert Request(cpu=2, gpu=0.25).at_most == Resources(cpu=2, gpu=0.25)
    assert largest([Request(cpu=3), Request(gpu="auto"), Request(gpu=2)]) == Request(cpu=3, gpu="auto")
    assert largest([Request(cpu=3), Request(gpu=2)]) == Request(cpu=3, gpu=2)


@pytest.mark.parametrize("given", ["automatic", "-0.5", "true", "null"])
def test_another_word_for_a_share_is_refused_in_one_line(given: str) -> None:
    text = builtin_sweeps()["smoke"] + f"resources: {{gpu: {given}}}\n"
    with pytest.raises(UserError, match=r"resources\.gpu: given .*, expected .*'auto'\.$"):
        parse_sweep(text, "s")


def test_a_share_is_no_part_of_identity() -> None:
    text = builtin_sweeps()["smoke"]
    assert list(parse_sweep(text + "resources: {gpu: auto}\n", "s").specs) == list(parse_sweep(text, "s").specs)


@pytest.mark.parametrize(
    ("wanted", "nodes", "expected"),
    [
        (Resources(), CPUS, 6),
        (Resources(cpu=3), CPUS, 1),
        (Resources(cpu=0.5), CPUS, 12),
        (Resources(cpu=0.1), [{"CPU": 0.3}], 3),
        (Resources(gpu=1), MIXED, 2),
        (Resources(gpu=0.5), MIXED, 4),
        (Resources(cpu=0.5, gpu=0.4), MIXED, 4),
        (Resources(gpu=2), MIXED, 1),
        (Resources(), [], 0),
    ],
)
def test_slots(wanted: Resources, nodes: list[Node], expected: int) -> None:
    assert slots(wanted, nodes) == expected


@pytest.mark.parametrize("address", ["", "head", "ray://head:10001", "http://head:8265", "head:port", "head:99999"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ClusterError, match="expected HOST:PORT"):
        require_answer(address)


def test_an_address_where_nothing_listens_is_refused_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
        require_answer(f"127.0.0.1:{port}")
    with pytest.raises(ClusterError, match=rf"no Ray cluster answers at '127.0.0.1:{port}'"):
        require_answer(f"127.0.0.1:{port}")
    require_answer("auto")


def test_fewer_at_once_until_one_has_the_largest_node() -> None:
    wanted, seen = Resources(), []
    for _ in range(4):
        seen.append(slots(wanted, CPUS))
        wanted = fewer(wanted, CPUS)
        assert fit(wanted, CPUS) == (wanted, None)
    assert seen == [6, 3, 1, 1]
    assert fewer(Resources(cpu=3, gpu=1), MIXED).cpu == 4, "only the node with GPUs counts"
