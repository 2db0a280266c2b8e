"""A cluster that scales from zero promises the nodes of its file: trials are neither refused nor robbed of GPUs."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.promised import NAME, NAMESPACE, own_ray_cluster, promised
from orchestrator.resources import Resources, fit

FILE = Path(__file__).parents[2] / "cluster.yaml"
HEAD = {"CPU": 0.0, "GPU": 0.0}
GPU_NODE = {"CPU": 8, "GPU": 1}


def test_a_head_alone_promises_the_workers_of_its_file():
    nodes = promised(FILE, live_workers=0)
    assert nodes == [GPU_NODE] * 8
    wanted, notice = fit(Resources(cpu=1, gpu=0.25), [HEAD, *nodes])
    assert wanted.gpu == 0.25
    assert notice is None


def test_nodes_that_are_there_are_not_promised_again():
    assert len(promised(FILE, live_workers=3)) == 5
    assert promised(FILE, live_workers=9) == []


def test_without_the_file_or_without_resources_nothing_is_promised(tmp_path):
    assert promised(tmp_path / "none.yaml", live_workers=0) == []
    cluster = yaml.safe_load(FILE.read_text())
    for kind in cluster["available_node_types"].values():
        kind["resources"] = {}
    file = tmp_path / "cluster.yaml"
    file.write_text(yaml.safe_dump(cluster))
    assert promised(file, live_workers=0) == []


def test_the_head_is_no_worker(tmp_path):
    cluster = yaml.safe_load(FILE.read_text())
    cluster["available_node_types"]["head"]["resources"] = {"CPU": 64}
    file = tmp_path / "cluster.yaml"
    file.write_text(yaml.safe_dump(cluster))
    assert {"CPU": 64} not in promised(file, live_workers=0)


JOB = yaml.safe_load((FILE.parent / "docs" / "kuberay-rayjob.yaml").read_text())


@pytest.fixture
def in_head_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the head of the shipped RayJob."""
    for name, value in {NAME: "job-x1", NAMESPACE: "sweeps", "KUBERNETES_SERVICE_HOST": "10.0.0.1"}.items():
        monkeypatch.setenv(name, value)


def test_the_shipped_job_tells_the_head_which_resource_it_belongs_to():
    head = JOB["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"][0]
    fields = {one["name"]: one["valueFrom"]["fieldRef"]["fieldPath"] for one in head["env"] if "fieldRef" in str(one)}
    assert fields == {NAME: "metadata.labels['ray.io/cluster']", NAMESPACE: "metadata.namespace"}


@pytest.mark.parametrize("absent", [NAME, NAMESPACE, "KUBERNETES_SERVICE_HOST"])
def test_elsewhere_there_is_no_resource(absent: str, in_head_pod: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(absent)
    assert own_ray_cluster() is None


def test_a_head_pod_alone_promises_the_workers_of_its_resource(in_head_pod: None, monkeypatch: pytest.MonkeyPatch):
    """Kubernetes is a stand-in; what Ray's autoscaler makes of the shipped resource is Ray's own."""
    from orchestrator.tune import nodes as ray_nodes

    asked = []

    def get(self: Any, path: str) -> dict[str, Any]:
        asked.append((self._namespace, path))
        return {"metadata": {"name": "job-x1", "namespace": "sweeps"}, "spec": JOB["spec"]["rayClusterSpec"]}

    monkeypatch.setattr("ray.autoscaler._private.kuberay.node_provider.KubernetesHttpApiClient.get", get)
    nodes = ray_nodes.promised_by_kubernetes(live_workers=0)
    assert asked == [("sweeps", "rayclusters/job-x1")]
    assert [(node["CPU"], node["GPU"]) for node in nodes] == [(8, 1)] * 8
    assert len(ray_nodes.promised_by_kubernetes(live_workers=3)) == 5


def test_a_head_pod_that_may_not_ask_counts_what_runs(
    in_head_pod: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):

    def get(self: Any, path: str) -> dict[str, Any]:
        raise FileNotFoundError("no token in this pod")

    monkeypatch.setattr("ray.autoscaler._private.kuberay.node_provider.KubernetesHttpApiClient.get", get)
    from orchestrator.tune import nodes as ray_nodes

    assert ray_nodes.promised_by_kubernetes(live_workers=0) == []
    assert "no token in this pod" in caplog.text
