"""Which data sets a sweep reads, and what a machine says of those that it lacks."""

from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.data_here import data_of, missing_data
from trainables.datasets.folder import VARIABLE
from trainables.datasets.source import DOWNLOADS, Download
from trainables.spec import TrialSpec

UNKNOWN = '{"name": "image-folder", "digest": "%s", "size": 8}' % ("0" * 64)

FAR = """
name: far
axes: {seed: {range: [0, 9]}}
fixed: {dataset: mnist, model: {name: mlp, widths: [8]}, optimizer: {name: sgd, lr: 0.1}, batch_size: 32, epochs: 1}
"""


def test_each_data_set_is_asked_for_once(tiny_spec: TrialSpec) -> None:
    given = tiny_spec.model_dump(mode="json", exclude_defaults=True)
    datasets = ["digits", {"name": "digits", "train_examples": 200}, {"name": "gaussian-clusters"}, "digits"]
    specs = [TrialSpec.model_validate({**given, "dataset": one, "seed": seed}) for seed, one in enumerate(datasets)]
    assert sorted(data_of(specs)) == ['{"name":"digits"}', '{"name":"gaussian-clusters"}']
    assert missing_data(data_of(specs)) == []


def test_a_folder_of_images_that_is_not_known_here_is_told_once(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    (line,) = missing_data([UNKNOWN, UNKNOWN, '{"name": "digits"}'])
    assert "0" * 64 in line
    assert str(tmp_path) in line
    assert "\n" not in line


def test_a_data_set_of_a_package_that_this_machine_lacks_is_told() -> None:
    (line,) = missing_data(['{"name": "theirs"}'])
    assert "theirs" in line


def test_a_local_run_without_its_data_says_so_in_one_line_and_trains_nothing(
    coherence: Callable[..., tuple[int, str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "data"))
    monkeypatch.setitem(DOWNLOADS, "mnist", Download(DOWNLOADS["mnist"].files, ["http://127.0.0.1:1/mnist"]))
    file = tmp_path / "sweep.yaml"
    file.write_text(FAR)
    code, _, err = coherence("run", file, "--local", "--store", tmp_path / "results")
    assert code == 2
    (line,) = [line for line in err.splitlines() if "mnist" in line]
    assert VARIABLE in line
    assert "127.0.0.1" in line
    assert not (tmp_path / "results" / "attempts").exists()
