"""A launch with measured shares on a Ray of its own with two GPUs that are made up; prints what happened as JSON.

python -m tests.orchestrator.packed_ray FOLDER
"""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import ray
from ray.core.generated import autoscaler_pb2
from ray.experimental import internal_kv

from orchestrator import tune
from orchestrator.attempt import RunOptions
from orchestrator.packing import PackKind, Share, find_share, pack_kind
from orchestrator.resources import Resources
from orchestrator.scratch import environment, short_folder
from orchestrator.tune.nodes import nodes
from tests.orchestrator.ray_session import Recorder, lines, tiny
from tests.orchestrator.simulated_device import SimulatedDevice, ideal
from trainables.aggregators import AGGREGATORS
from trainables.spec import TrialSpec, trial_id

EACH = 20
SMALL = [tiny(seed) for seed in range(EACH)]
LARGE = [
    spec.model_copy(update={"aggregator": AGGREGATORS["median-of-3"].params(name="median-of-3")}) for spec in SMALL
]
SPECS = [spec for pair in zip(LARGE, SMALL, strict=True) for spec in pair]
DEVICE = SimulatedDevice(16, {pack_kind(SMALL[0]): 3, pack_kind(LARGE[0]): 6}, ideal)


def find(firsts: Mapping[PackKind, TrialSpec], most: int) -> dict[PackKind, Share]:
    """Shares of the simulated device."""
    return {kind: find_share(DEVICE, spec, most) for kind, spec in firsts.items()}


def noting(path: Path) -> tune.Attempt:
    """An attempt that notes its trial and what Ray gave it."""

    def attempt(spec: TrialSpec, options: RunOptions, should_stop: Callable[[], bool]) -> str:
        given = ray.get_runtime_context().get_assigned_resources()
        share = sum(value for name, value in given.items() if name.startswith("GPU"))
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{trial_id(spec)} {share}\n")
        return "completed"

    return attempt


def autoscaling() -> list[dict[str, float]]:
    """Nodes once the cluster has the configuration of an autoscaler."""
    config = autoscaler_pb2.ClusterConfig()
    config.node_group_configs.add(name="gpu", resources={"CPU": 8, "GPU": 4}, max_count=2)
    content, where = config.SerializeToString(), ray._raylet.GCS_AUTOSCALER_STATE_NAMESPACE.encode()
    internal_kv._internal_kv_put(ray._raylet.GCS_AUTOSCALER_CLUSTER_CONFIG_KEY.encode(), content, namespace=where)
    return [{name: node.get(name, 0) for name in ("CPU", "GPU")} for node in nodes(scaling=True)]


def plan_for(address: str) -> dict[str, Any]:
    """What `plan` says of this cluster, asked from another process."""
    code = "import sys; from orchestrator.cli import main; sys.exit(main())"
    asked = ["plan", "smoke", "--address", address, "--price", "36000", "--json", "--store", "none"]
    return json.loads(subprocess.run([sys.executable, "-c", code, *asked], check=True, stdout=subprocess.PIPE).stdout)


def main(folder: Path) -> dict[str, Any]:
    """Launch all, and say in what order they began and with what."""
    observer = Recorder()
    tune.run_on_ray(
        SPECS,
        RunOptions(str(folder)),
        Resources(cpu=0.5, gpu=1),
        None,
        observer,
        lambda: False,
        short={},
        attempt=noting(folder / "ran.txt"),
        find_shares=find,
    )
    return {
        "begun": list(observer.begun),
        "completed": len(observer.outcomes),
        "given": dict(lines(folder / "ran.txt")),
        "nodes": autoscaling(),
        "plan": plan_for(ray.get_runtime_context().gcs_address),
    }


if __name__ == "__main__":
    with environment(tune.SETTINGS), short_folder() as scratch:
        ray.init(
            address="local",
            num_cpus=6,
            num_gpus=2,
            include_dashboard=False,
            object_store_memory=tune.OBJECT_STORE_BYTES,
            _temp_dir=str(scratch / "ray"),
        )
        found = main(Path(sys.argv[1]))
        ray.shutdown()
    (Path(sys.argv[1]) / "found.json").write_text(json.dumps(found), encoding="utf-8")
