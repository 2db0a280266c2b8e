"""The three cluster files: valid by Ray's own schema, closed but for SSH, with the token outside of the file."""

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).parents[1]


def read(name: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / name).read_text())


CLOUD, LOCAL, JOB = read("cluster.yaml"), read("docs/cluster-local.yaml"), read("docs/kuberay-rayjob.yaml")
LAUNCHED = pytest.mark.parametrize("cluster", [CLOUD, LOCAL], ids=["cluster.yaml", "cluster-local.yaml"])


def starts(cluster: dict[str, Any], side: str) -> list[str]:
    """The commands of the head or the workers that start Ray."""
    return [line for line in cluster[f"{side}_start_ray_commands"] if "ray start" in line]


@LAUNCHED
def test_it_follows_rays_schema(cluster):
    ray = pytest.importorskip("ray")
    schema = json.loads((Path(ray.__file__).parent / "autoscaler/ray-schema.json").read_text())
    jsonschema.validate(cluster, schema)


@LAUNCHED
def test_ray_takes_it_as_ray_up_would(cluster):
    pytest.importorskip("ray")
    from ray.autoscaler._private.util import prepare_config, validate_config

    prepared = prepare_config(copy.deepcopy(cluster))
    validate_config(prepared)
    assert prepared["available_node_types"].keys() == cluster["available_node_types"].keys()


@LAUNCHED
def test_the_dashboard_stays_on_the_head(cluster):
    (start,) = starts(cluster, "head")
    assert "--dashboard-host=127.0.0.1" in start
    assert "--ray-client-server" not in start


@LAUNCHED
@pytest.mark.parametrize("side", ["head", "worker"])
def test_every_node_starts_with_token_authentication_and_without_statistics(cluster, side):
    (start,) = starts(cluster, side)
    assert "RAY_AUTH_MODE=token " in start
    assert "--disable-usage-stats" in start


@LAUNCHED
def test_the_token_is_copied_and_never_written_in_the_file(cluster):
    copied = [remote for remote, local in cluster["file_mounts"].items() if local == "~/.ray/auth_token"]
    assert len(copied) == 1
    assert copied[0].endswith("/.ray/auth_token")
    assert "RAY_AUTH_TOKEN=" not in json.dumps(cluster)


def test_nothing_but_ssh_is_open_to_the_world():
    assert CLOUD["provider"]["security_group"]["IpPermissions"] == []
    assert not any("SecurityGroupIds" in kind["node_config"] for kind in CLOUD["available_node_types"].values())
    pytest.importorskip("boto3", reason="Ray's own rules can be read with boto3 only")
    from ray.autoscaler._private.aws.config import _create_default_inbound_rules

    rules = _create_default_inbound_rules(["sg-own"], CLOUD["provider"]["security_group"]["IpPermissions"])
    outside = [rule for rule in rules if rule.get("IpRanges") or rule.get("Ipv6Ranges")]
    assert [(rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) for rule in outside] == [("tcp", 22, 22)]


def test_gpu_workers_on_demand_and_spot_start_from_zero():
    workers = {name: kind for name, kind in CLOUD["available_node_types"].items() if name != CLOUD["head_node_type"]}
    assert all(kind["min_workers"] == 0 < kind["max_workers"] for kind in workers.values())
    assert all(kind["resources"]["GPU"] >= 1 for kind in workers.values())
    markets = {kind["node_config"].get("InstanceMarketOptions", {}).get("MarketType") for kind in workers.values()}
    assert markets == {None, "spot"}


def test_the_head_runs_no_trial():
    assert CLOUD["available_node_types"][CLOUD["head_node_type"]]["resources"] == {"CPU": 0, "GPU": 0}
    assert "--num-cpus=0" in starts(LOCAL, "head")[0]
    assert JOB["spec"]["rayClusterSpec"]["headGroupSpec"]["rayStartParams"] == {"num-cpus": "0", "num-gpus": "0"}


def test_the_local_file_counts_the_head_among_its_nodes():
    count = len(LOCAL["provider"]["worker_ips"]) + 1
    kind = LOCAL["available_node_types"][LOCAL["head_node_type"]]
    assert {kind["min_workers"], kind["max_workers"], LOCAL["max_workers"]} == {count}


def test_the_ray_job_is_one():
    assert (JOB["apiVersion"], JOB["kind"]) == ("ray.io/v1", "RayJob")
    assert JOB["spec"]["entrypoint"].startswith("coherence run ")
    assert JOB["spec"]["shutdownAfterJobFinishes"]
    assert JOB["spec"]["rayClusterSpec"]["enableInTreeAutoscaling"]


def test_every_pod_of_the_ray_job_has_the_token_from_a_secret_and_the_store():
    cluster = JOB["spec"]["rayClusterSpec"]
    (workers,) = cluster["workerGroupSpecs"]
    assert workers["minReplicas"] == 0 < workers["maxReplicas"]
    for group in (cluster["headGroupSpec"], workers):
        (container,) = group["template"]["spec"]["containers"]
        variables = {each["name"]: each for each in container["env"]}
        assert variables["RAY_AUTH_MODE"]["value"] == "token"
        assert "secretKeyRef" in variables["RAY_AUTH_TOKEN"]["valueFrom"]
        (mount,) = container["volumeMounts"]
        store = JOB["spec"]["entrypoint"].partition("--store ")[2]
        assert store.startswith(mount["mountPath"])
        assert mount["name"] in [volume["name"] for volume in group["template"]["spec"]["volumes"]]
    assert "nvidia.com/gpu" in workers["template"]["spec"]["containers"][0]["resources"]["limits"]
