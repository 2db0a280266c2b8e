"""Nodes that the autoscaler of `ray up` would start when trials wait, by the copy of the cluster file on the head."""

from pathlib import Path

import yaml

from orchestrator.resources import Node

BOOTSTRAP = Path("~/ray_bootstrap_config.yaml")
"""Where `ray up` leaves the cluster file on the head."""


def promised(file: Path, live_workers: int) -> list[Node]:
    """Resources of each node that may still be started, with `live_workers` there already; none without the file.

    A type that does not say its resources promises nothing: what it would bring is known once it is there.
    """
    if not file.exists():
        return []
    cluster = yaml.safe_load(file.read_text(encoding="utf-8"))
    limit = cluster["max_workers"]
    nodes: list[Node] = []
    for name, kind in cluster["available_node_types"].items():
        if name != cluster["head_node_type"] and kind.get("resources"):
            nodes += [kind["resources"]] * kind.get("max_workers", limit)
    return nodes[: max(limit - live_workers, 0)]
