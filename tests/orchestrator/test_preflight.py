"""What the preflight refuses, node by node, and that it names the node and the remedy."""

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator import packages, preflight
from orchestrator.preflight import FREE_BYTES, SKEW_S, Look, NodeReport, judge, judge_data
from orchestrator.resources import ClusterError
from trainables.location import Location

SEEN = packages.Seen("d" * 64, dict.fromkeys(packages.PACKAGES, "/opt/here"))
VERSIONS = {"python": "3.11.7", "torch": "2.14.1", "ray": "2.60.0"}
NODE = "1a2b3c4d" + "0" * 48
GOOD = NodeReport(NODE, Look("gpu-7", SEEN, VERSIONS, 1000.5, None, FREE_BYTES), 1000.0, 1001.0, NODE)


def seen(**changes) -> NodeReport:
    """A good report but for these fields of the look."""
    return replace(GOOD, look=replace(GOOD.look, **changes))


def check(*reports: NodeReport) -> None:
    judge(reports, SEEN, VERSIONS, "/mnt/store")


REFUSED = {
    "other sources": (seen(sources=packages.Seen("e" * 64, SEEN.folders)), "Install the same version on every node"),
    "other torch": (seen(versions={**VERSIONS, "torch": "2.9.0"}), r"torch 2.9.0 \(here 2.14.1\)"),
    "other python": (seen(versions={**VERSIONS, "python": "3.12.1"}), r"python 3.12.1 \(here 3.11.7\)"),
    "no ray package": (seen(versions={**VERSIONS, "ray": "none"}), r"ray none \(here 2.60.0\)"),
    "no store": (seen(unwritable="No such file or directory", free_bytes=None), "/mnt/store: No such file"),
    "read-only store": (seen(unwritable="Read-only file system"), "Read-only file system. Give a --store"),
    "no room for a note": (seen(unwritable="No space left on device"), r"No space left on device\. Make room"),
    "a store of its own": (replace(GOOD, note_read=None), "not the same. Give a --store on storage"),
    "another note": (replace(GOOD, note_read=""), "not the same"),
    "full disk": (seen(free_bytes=FREE_BYTES - 1), "1,024 MiB free .* Make room"),
    "slow clock": (seen(clock=1000.0 - SKEW_S - 1), "at least 11 s.* Synchronise"),
    "fast clock": (seen(clock=1001.0 + SKEW_S + 1), "at least 11 s.* Synchronise"),
}


@pytest.mark.parametrize(("report", "said"), REFUSED.values(), ids=REFUSED)
def test_it_refuses_and_names_the_node(report, said):
    with pytest.raises(ClusterError, match=rf"node 1a2b3c4d \(gpu-7\).*{said}"):
        check(GOOD, report)


def test_a_node_without_keys_to_an_object_store():
    report = seen(unwritable="no credentials", free_bytes=None)
    with pytest.raises(ClusterError, match=r"s3://b/x: no credentials. Give every node the endpoint and keys"):
        judge([report], SEEN, VERSIONS, "s3://b/x")


@pytest.mark.parametrize(
    "report",
    [GOOD, seen(clock=1000.0 - SKEW_S), seen(clock=1001.0 + SKEW_S), seen(free_bytes=None), seen(sources=SEEN)],
)
def test_it_lets_pass_what_is_just_good_enough(report):
    check(report, GOOD)


def test_plugins_are_compared_by_version_and_sources():
    here = preflight.versions({"pytest": "pytest", "not-installed": "nowhere"})
    assert here["not-installed"] == "none"
    number, digest = here["pytest"].split()
    assert number == pytest.__version__
    assert len(digest.strip("()")) == 12
    there = {**VERSIONS, "pytest": f"{number} (0123456789ab)"}
    with pytest.raises(ClusterError, match=rf"pytest {number} \(0123456789ab\) \(here"):
        judge([seen(versions=there)], SEEN, {**VERSIONS, "pytest": here["pytest"]}, "/mnt/store")


def test_a_node_leaves_a_note_that_is_read_back(tmp_path: Path):
    found = preflight.look(NODE, str(tmp_path))
    assert preflight.note_in(tmp_path, NODE) == NODE
    assert found.unwritable is None
    assert found.free_bytes > 0
    assert found.versions == preflight.versions()
    assert found.sources == packages.seen_here()


def test_a_node_leaves_a_note_in_an_object_store(s3_prefix: Location):
    assert preflight.look(NODE, str(s3_prefix)).unwritable is None
    assert preflight.note_in(s3_prefix, NODE) == NODE


def test_a_node_without_keys_says_so(s3_prefix: Location, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")
    assert "no credentials" in (preflight.look(NODE, str(s3_prefix)).unwritable or "")


def test_a_node_that_does_not_see_the_store_makes_no_folder(tmp_path: Path):
    found = preflight.look(NODE, str(tmp_path / "elsewhere"))
    assert found.unwritable == "No such file or directory"
    assert list(tmp_path.iterdir()) == []
    assert preflight.note_in(tmp_path, NODE) is None


def test_missing_data_is_told_with_the_node_and_how_much_more_is_missing():
    with pytest.raises(ClusterError, match=r"node 1a2b3c4d \(gpu-7\) .*mnist is not there\. 2 more"):
        judge_data(GOOD.name, ["mnist is not there.", "neither is cifar10.", "nor photos."])
    judge_data(GOOD.name, [])
