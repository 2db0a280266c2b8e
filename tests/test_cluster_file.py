"""cluster.yaml is valid against Ray's own schema, and closed but for SSH."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

CLUSTER = yaml.safe_load((Path(__file__).parents[1] / "cluster.yaml").read_text())


def test_it_follows_rays_schema():
    ray = pytest.importorskip("ray")
    schema = json.loads((Path(ray.__file__).parent / "autoscaler/ray-schema.json").read_text())
    jsonschema.validate(CLUSTER, schema)


def test_the_dashboard_stays_on_the_head():
    start = " ".join(CLUSTER["head_start_ray_commands"])
    assert "--dashboard-host=127.0.0.1" in start
    assert "--disable-usage-stats" in start


def test_workers_start_from_zero_and_the_head_has_no_gpu():
    types = CLUSTER["available_node_types"]
    assert types["head"]["resources"]["GPU"] == 0
    assert all(kind["min_workers"] == 0 for name, kind in types.items() if name != "head")
