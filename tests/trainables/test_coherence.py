"""`coherence` around a plain loop: the statistics of the trial's engine, and the loop's own training."""

import copy
import itertools

import pytest
import torch

from tests import reference
from tests.trainables.coverage import CASES
from tests.trainables.fallback_nets import Net
from tests.trainables.problems import CE, mlp
from trainables.coherence import coherence
from trainables.gradients.support import UnsupportedModelError

X, Y = torch.randn(9, 1, 4, 3, generator=torch.Generator().manual_seed(2)), torch.arange(9) % 4


def trained(model, steps, **options):
    optimizer, readings = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9), []
    with coherence(model, **options) as c:
        for _ in range(steps):
            optimizer.zero_grad()
            c.backward(CE(model(X), Y))
            optimizer.step()
            readings.append(c.network)
    return model, readings


@pytest.mark.parametrize("fused", [False, True])
def test_readings_equal_a_loop_over_examples(fused):
    model = mlp()
    g = reference.per_example_gradients(model, CE, X, Y)
    with coherence(model, fused=fused) as c:
        c.backward(CE(model(X), Y))
    whole = reference.flat(g)
    assert c.alpha == pytest.approx(reference.coherence_by_pairs(whole), rel=1e-5)
    assert c.network.alpha_unbiased == pytest.approx(reference.unbiased_by_pairs(whole), rel=1e-4)
    assert c.m_coherence == pytest.approx(9 * reference.coherence_by_pairs(whole), rel=1e-5)
    assert list(c.layers) == ["fc1", "fc2", "fc3"]
    for name, reading in c.layers.items():
        assert reading.alpha == pytest.approx(reference.coherence_by_pairs(reference.flat(g, f"{name}.")), rel=1e-5)


def test_training_is_the_plain_loops_bit_for_bit():
    model = mlp()
    twin = copy.deepcopy(model)
    trained(model, 5, every=2)
    optimizer = torch.optim.SGD(twin.parameters(), lr=0.1, momentum=0.9)
    for _ in range(5):
        optimizer.zero_grad()
        CE(twin(X), Y).mean().backward()
        optimizer.step()
    for one, other in zip(model.parameters(), twin.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("name", ["lenet", "sequence", "group norm", "tokens", "layer scale"])
def test_fused_training_does_not_depend_on_what_is_measured(name):
    found = []
    for every in (1, 3):
        model, x, y, loss = CASES[name].build()
        with coherence(model, fused=True, every=every, sample=x) as c:
            for _ in range(4):
                model.zero_grad()
                c.backward(loss(model(x), y))
                for parameter in model.parameters():
                    parameter.data.add_(parameter.grad, alpha=-0.1)
        found.append(list(model.parameters()))
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_every_third_batch_is_read():
    _, readings = trained(mlp(), 7, every=3)
    assert [a is b for a, b in itertools.pairwise(readings)] == [True, True, False, True, True, False]


def test_gradients_add_up_as_those_of_backward_do():
    model = mlp()
    with coherence(model) as c:
        for _ in range(2):
            c.backward(CE(model(X), Y))
    found = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    for _ in range(2):
        CE(model(X), Y).mean().backward()
    assert all(torch.equal(a, p.grad) for a, p in zip(found, model.parameters(), strict=True))


def test_evaluations_in_between_change_nothing():
    model = mlp()
    with coherence(model) as c:
        losses = CE(model(X), Y)
        with torch.no_grad():
            model(X[:2])
        c.backward(losses)
    assert c.network.statistics.n == 9


@pytest.mark.parametrize("leave", [lambda: None, lambda: 1 / 0])
def test_no_hook_is_left(leave):
    model = mlp()
    try:
        with coherence(model) as c:
            c.backward(CE(model(X), Y))
            model(X)
            leave()
    except ZeroDivisionError:
        pass
    assert all(not module._forward_hooks and not module._forward_pre_hooks for module in model.modules())


def _held():
    return Net(lambda net, x: net.fc(x.flatten(1)) * net.gain, fc=torch.nn.Linear(12, 4), gain=torch.ones(4))


def _mixing():
    return Net(lambda net, x: net.fc(x.flatten(1) - x.flatten(1).mean(0)), fc=torch.nn.Linear(12, 4))


def _lent():
    return Net(lambda net, x: net.fc(x.flatten(1)) + x.flatten(1) @ net.fc.weight.t(), fc=torch.nn.Linear(12, 4))


REFUSED = {
    "a loss that is reduced": (mlp, {}, lambda losses: losses.mean(), ValueError, "reduction='none'"),
    "every of zero": (mlp, {"every": 0}, lambda losses: losses, ValueError, "1 or more"),
    "no rule and no sample": (_held, {}, lambda losses: losses, UnsupportedModelError, "sample=x"),
    "examples that see each other": (_mixing, {"sample": X}, lambda losses: losses, UnsupportedModelError, "other ex"),
    "batch norm": (
        lambda: torch.nn.Sequential(torch.nn.Flatten(), torch.nn.BatchNorm1d(12), torch.nn.Linear(12, 4)),
        {},
        lambda losses: losses,
        UnsupportedModelError,
        "BatchNorm1d",
    ),
    "a weight used twice, unseen": (_lent, {}, lambda losses: losses, UnsupportedModelError, "'fc.weight'"),
}


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name, fused):
    build, options, change, error, says = REFUSED[name]
    model = build()
    with pytest.raises(error, match=says), coherence(model, fused=fused, **options) as c:
        c.backward(change(CE(model(X), Y)))


def test_a_reading_before_the_first_batch_is_refused():
    with coherence(mlp()) as c, pytest.raises(ValueError, match="backward"):
        _ = c.alpha
