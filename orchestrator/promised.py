"""Nodes that an autoscaler would start when trials wait, by what the cluster was configured with.

`ray up` leaves a copy of the cluster file on the head; on Kubernetes the RayCluster resource says it, in the form that
Ray's autoscaler makes of it, which is that of a cluster file.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from orchestrator.resources import Node

BOOTSTRAP = Path("~/ray_bootstrap_config.yaml")
"""Where `ray up` leaves the cluster file on the head."""

NAME, NAMESPACE = "RAY_CLUSTER_NAME", "RAY_CLUSTER_NAMESPACE"
"""Environment variables of a head pod (`docs/kuberay-rayjob.yaml`)."""


@dataclass(frozen=True)
class RayCluster:
    """A RayCluster resource of Kubernetes."""

    name: str
    namespace: str


def own_ray_cluster() -> RayCluster | None:
    """The resource that this process's pod belongs to; None outside Kubernetes, or where the pod does not say it."""
    name, namespace = os.environ.get(NAME), os.environ.get(NAMESPACE)
    inside = "KUBERNETES_SERVICE_HOST" in os.environ
    return RayCluster(name, namespace) if inside and name and namespace else None


def promised(file: Path, live_workers: int) -> list[Node]:
    """Resources of each node that may still be started, with `live_workers` there already; none without the file."""
    if not file.exists():
        return []
    return promised_by(yaml.safe_load(file.read_text(encoding="utf-8")), live_workers)


def promised_by(cluster: Mapping[str, Any], live_workers: int) -> list[Node]:
    """The same by the content of a cluster file.

    A type that does not say its resources promises nothing: what it would bring is known once it is there.
    """
    limit = cluster["max_workers"]
    nodes: list[Node] = []
    for name, kind in cluster["available_node_types"].items():
        if name != cluster["head_node_type"] and kind.get("resources"):
            nodes += [kind["resources"]] * kind.get("max_workers", limit)
    return nodes[: max(limit - live_workers, 0)]
