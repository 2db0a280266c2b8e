"""A cluster that scales from zero promises the nodes of its file: trials are neither refused nor robbed of GPUs."""

from pathlib import Path

import yaml

from orchestrator.promised import promised
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
