"""Digests: where they fall, what they cover, what they tell apart."""

import pytest
import torch

from tests.trainables.specs import quick
from trainables.build import build_setting
from trainables.digests import digest_rows, tensor_digest
from trainables.schedules import digest_steps
from trainables.sink import ListSink
from trainables.spec import TrialSpec
from trainables.trial import run_trial

PROBE = {"probe": {"examples": 100, "schedule": "1-2-5", "at": ["raw", "ema"]}}


def rows_at(spec: TrialSpec, step: int) -> dict[tuple[str, str], str]:
    """Digests of a trial after `step` updates, by kind and name."""
    setting = build_setting(spec, "cpu")
    for each in range(step):
        setting.train_step(each)
    return {(row["kind"], row["name"]): row["sha256"] for row in digest_rows(setting, step)}


def test_one_bit_the_shape_and_the_type_count():
    zeros = torch.zeros(2, 3)
    others = [zeros.view(3, 2), zeros.double(), zeros.int(), -zeros, torch.zeros(6), torch.zeros(0), torch.tensor(0.0)]
    digests = [tensor_digest(tensor) for tensor in (zeros, *others)]
    assert len(set(digests)) == len(digests)
    assert tensor_digest(torch.arange(6.0).view(2, 3).T) == tensor_digest(torch.arange(6.0).view(2, 3).T.contiguous())


def test_a_trial_leaves_them_at_few_steps_and_the_last():
    sink = ListSink()
    result = run_trial(quick(), sink, device="cpu")
    assert sorted({row["step"] for row in sink.rows["digests"]}) == [0, 1, 2, 5, 10, 20, 50, 56]
    assert result.rows["digests"] == len(sink.rows["digests"])
    assert len(digest_steps(100_000)) == 17


def test_a_trial_that_is_stopped_leaves_its_last_state():
    sink = ListSink()
    result = run_trial(quick(stop={"train_accuracy": 0.3}), sink, device="cpu")
    assert result.outcome == "stopped"
    assert result.end_step not in digest_steps(56)
    assert sink.rows["digests"][-1]["step"] == result.end_step


@pytest.mark.parametrize(
    ("choices", "expected"),
    [
        ({"optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.9}}, "optimizer/"),
        ({"optimizer": {"name": "adam", "lr": 0.01}}, "optimizer/updates"),
        ({"aggregator": "rolling-median-of-3"}, "aggregator/1/"),
        ({"measure": PROBE}, "average/"),
    ],
    ids=str,
)
def test_all_that_training_remembers_is_covered(choices, expected):
    names = [name for kind, name in rows_at(quick(**choices), 3) if kind == "state"]
    assert any(name.startswith(expected) for name in names)


def test_buffers_are_covered():
    setting = build_setting(quick(), "cpu")
    setting.model.register_buffer("mean", torch.ones(2))
    assert {"step": 0, "kind": "buffer", "name": "mean", "sha256": tensor_digest(torch.ones(2))} in digest_rows(
        setting, 0
    )


def test_batches_are_paired_and_parameters_are_not():
    mean, median = rows_at(quick(), 3), rows_at(quick(aggregator="median-of-3"), 3)
    batches = {key for key in mean if key[0] == "batch"}
    assert {name for _, name in batches} == {"indices", "inputs", "labels"}
    assert all(mean[key] == median[key] for key in batches)
    assert all(mean[key] != median[key] for key in mean if key[0] == "parameter")
    assert all(rows_at(quick(), 4)[key] != mean[key] for key in batches)


def test_taking_digests_changes_nothing():
    plain, looked_at = (build_setting(quick(augmentation="none"), "cpu") for _ in range(2))
    for step in range(4):
        digest_rows(looked_at, step)
        plain.train_step(step)
        looked_at.train_step(step)
    for one, other in zip(plain.model.parameters(), looked_at.model.parameters(), strict=True):
        assert torch.equal(one, other)
