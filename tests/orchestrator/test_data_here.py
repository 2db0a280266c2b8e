"""Which data sets a sweep reads, and what a machine says of those that it lacks."""

import pytest

from orchestrator.data_here import data_of, missing_data
from trainables.datasets.folder import VARIABLE
from trainables.spec import TrialSpec

UNKNOWN = '{"name": "image-folder", "digest": "%s", "size": 8}' % ("0" * 64)


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
