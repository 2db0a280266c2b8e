"""The nodes of the cluster at hand: what they have, what an autoscaler may add, and whether a trial could run there."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from orchestrator import packages, preflight
from orchestrator.address import require_answer
from orchestrator.data_here import missing_data
from orchestrator.errors import one_line
from orchestrator.promised import BOOTSTRAP, own_ray_cluster, promised, promised_by
from orchestrator.quiet import quiet
from orchestrator.resources import ClusterError, Node, NodeType, with_startable
from orchestrator.scratch import environment, short_folder
from orchestrator.tune.connection import connected
from orchestrator.tune.settings import SETTINGS
from trainables.location import Location

CONNECT_S = 60
"""Seconds that a node gets to look at itself."""

_log = logging.getLogger(__name__)

DATA_S = 300
"""Seconds that a node gets to look for its data, servers that do not answer included."""

HEAD = "node:__internal_head__"
"""A resource that Ray gives to the head alone."""


def cluster_nodes(address: str) -> list[Node]:
    """The nodes of a running cluster, and those that its autoscaler may start; starts nothing."""
    require_answer(address)
    with environment(SETTINGS), short_folder() as scratch, quiet(scratch / "ray.log"), connected(address, scratch):
        return nodes(scaling=True)


def nodes(*, scaling: bool) -> list[Node]:
    """Nodes at hand and, of a cluster that is `scaling`, those that its autoscaler may start: as Ray knows them or, on
    the head, as the file or the Kubernetes resource says that the cluster was started with."""
    alive = _alive()
    here = ray.get_runtime_context().get_node_id()
    live = [node["Resources"] for node in alive]
    known = with_startable(live, _node_types(alive))
    on_head = any(node["NodeID"] == here and HEAD in node["Resources"] for node in alive)
    if not scaling or len(known) > len(live) or not on_head:
        return known
    workers = sum(HEAD not in node for node in live)
    return live + promised(BOOTSTRAP.expanduser(), workers) + promised_by_kubernetes(workers)


def promised_by_kubernetes(live_workers: int) -> list[Node]:
    """By the RayCluster resource that this head's pod belongs to, asked as Ray's autoscaler beside it asks."""
    own = own_ray_cluster()
    if own is None:
        return []
    from ray.autoscaler._private.kuberay.autoscaling_config import AutoscalingConfigProducer

    try:
        return promised_by(AutoscalingConfigProducer(own.name, own.namespace)(), live_workers)
    except (OSError, ValueError, KeyError) as error:
        _log.warning("Kubernetes did not tell what %s may start (%s); nodes that run count", own, one_line(str(error)))
        return []


def check_nodes(store: Location, data: Sequence[str] = (), plugins: Mapping[str, str] = preflight.NO_PLUGINS) -> None:
    """Refuse a cluster with a node that does not answer, or on which a trial would fail or mislead (`preflight`).

    data: data sets that every node must be able to load, as `data_of` names them. plugins: distributions that the
    trials need, with their modules.
    """
    try:
        with preflight.notes_in(store) as folder, _by_value(packages, preflight):
            asked = [(node["NodeID"], time.time(), ask(node["NodeID"], str(folder), plugins)) for node in _alive()]
            reports = [
                preflight.NodeReport(
                    node, ray.get(answer, timeout=CONNECT_S), since, time.time(), preflight.note_in(folder, node)
                )
                for node, since, answer in asked
            ]
    except ray.exceptions.RayError as error:
        raise ClusterError(f"a node does not answer ({one_line(str(error), 200)}); is its memory full?") from error
    preflight.judge(reports, packages.seen_here(), preflight.versions(plugins), str(store))
    check_data(reports, list(data))


def check_data(reports: Sequence[preflight.NodeReport], data: list[str]) -> None:
    """On every node that can run a trial; by reference, now that they are known to have the same sources."""
    able = {node["NodeID"] for node in _alive() if node["Resources"].get("CPU", 0)}
    asked = [(report, _on(report.node, missing_data, data)) for report in reports if report.node in able]
    for report, answer in asked:
        try:
            lacking = ray.get(answer, timeout=DATA_S)
        except ray.exceptions.RayError as error:
            raise ClusterError(
                f"{report.name} did not say whether it has the data: {one_line(str(error), 200)}"
            ) from error
        preflight.judge_data(report.name, lacking)


def ask(node: str, folder: str, plugins: Mapping[str, str]) -> Any:
    """What a node answers when told to look at itself, as a promise."""
    return _on(node, preflight.look, node, folder, plugins)


def _on(node: str, function: Callable[..., Any], *arguments: object) -> Any:
    where = NodeAffinitySchedulingStrategy(node, soft=False)
    return ray.remote(num_cpus=0)(function).options(scheduling_strategy=where).remote(*arguments)


@contextmanager
def _by_value(*modules: ModuleType) -> Iterator[None]:
    """A worker that sees other packages could not import the function that finds that out."""
    for module in modules:
        ray.cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in modules:
            ray.cloudpickle.unregister_pickle_by_value(module)


def _alive() -> list[dict[str, Any]]:
    return [node for node in ray.nodes() if node["Alive"]]


def _node_types(alive: Sequence[dict[str, Any]]) -> list[NodeType]:
    # Ray keeps what its autoscaler was configured with, and shows it only here.
    config = ray._private.state.state.get_cluster_config()
    groups = config.node_group_configs if config is not None else ()
    names = [node["Labels"].get("ray.io/node-group") for node in alive]
    return [
        NodeType(dict(group.resources), None if group.max_count < 0 else group.max_count, names.count(group.name))
        for group in groups
    ]
