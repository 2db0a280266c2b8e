"""Losses: per example, and as their formulas say."""

import pytest
import torch

from trainables.losses import LOSSES
from trainables.registry import load

EXAMPLES = {"smoothed-cross-entropy": {"smoothing": 0.2}}


def loss_of(name, outputs, labels, **parameters):
    choice = LOSSES[name].params(name=name, **EXAMPLES.get(name, {}) | parameters)
    return load(LOSSES[name])(choice, outputs, labels)


def batch():
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(7, 5, generator=generator, dtype=torch.float64)
    return outputs, torch.randint(5, (7,), generator=generator)


@pytest.mark.parametrize("name", LOSSES)
def test_each_example_has_a_loss_of_its_own(name):
    outputs, labels = batch()
    together = loss_of(name, outputs, labels)
    assert together.shape == (7,)
    alone = [loss_of(name, outputs[i : i + 1], labels[i : i + 1]) for i in range(7)]
    torch.testing.assert_close(together, torch.cat(alone))


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
def test_smoothing_gives_a_share_of_the_target_to_all_classes(smoothing):
    outputs, labels = batch()
    logs = outputs - outputs.exp().sum(dim=1, keepdim=True).log()
    expected = -(1 - smoothing) * logs[range(7), labels] - smoothing * logs.mean(dim=1)
    torch.testing.assert_close(loss_of("smoothed-cross-entropy", outputs, labels, smoothing=smoothing), expected)


def test_no_smoothing_is_cross_entropy():
    outputs, labels = batch()
    found = loss_of("smoothed-cross-entropy", outputs, labels, smoothing=0.0)
    assert torch.equal(found, loss_of("cross-entropy", outputs, labels))
