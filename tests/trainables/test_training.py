"""Gradients of one step by thirds: by passes of their own or from one, with and without a record."""

import math

import pytest
import torch
from torch import nn

from tests import reference
from tests.trainables.problems import CE, lenet, mlp
from trainables.gradients.engine import Engine
from trainables.gradients.middle import median_of_three
from trainables.gradients.thirds import together
from trainables.passes import trainable
from trainables.training import Gradients, thirds

SIZE = 11
WAYS = {"apart": False, "together": True}
MODELS = {"mlp": (mlp, (1, 4, 3)), "lenet": (lenet, (1, 12, 14))}


def built(name, joint):
    torch.manual_seed(0)
    make, shape = MODELS[name]
    model = make().double()
    x, y = torch.randn(SIZE, *shape, dtype=torch.float64), torch.randint(4, (SIZE,))
    return model, x, y, Gradients(model, CE, "groups", trainable(model), Engine(model), together=joint)


@pytest.mark.parametrize("size", [3, 4, 5, 126])
def test_thirds_are_disjoint_whole_and_as_equal_as_possible(size):
    parts = [list(range(size))[part] for part in thirds(size)]
    assert [i for part in parts for i in part] == list(range(size))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("record", [False, True])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", MODELS)
def test_means_of_thirds_are_those_of_a_loop_over_examples(name, way, record):
    model, x, y, gradients = built(name, WAYS[way])
    oracle = reference.per_example_gradients(model, CE, x, y)
    for _ in range(2):
        made = gradients.take(x, y, record=record)
        seen = set()
        for parameter, means in gradients.given(made, SIZE).tensors():
            seen.add(parameter)
            for mean, part in zip(means, thirds(SIZE), strict=True):
                torch.testing.assert_close(mean, oracle[parameter][part].mean(0))
        assert seen == set(oracle)
    torch.testing.assert_close(made.losses, CE(model(x), y))
    torch.testing.assert_close(made.outputs, model(x))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", MODELS)
def test_a_record_changes_no_bit_of_the_means(name, way):
    found = []
    for record in (False, True):
        model, x, y, gradients = built(name, WAYS[way])
        model.float()
        made = gradients.take(x.float(), y, record=record)
        means = gradients.given(made, SIZE).tensors()
        found.append({parameter: [each.clone() for each in three] for parameter, three in means})
    for parameter, three in found[0].items():
        assert all(torch.equal(a, b) for a, b in zip(three, found[1][parameter], strict=True))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", MODELS)
def test_what_is_measured_of_thirds_is_of_the_whole_batch(name, way):
    model, x, y, gradients = built(name, WAYS[way])
    oracle = reference.per_example_gradients(model, CE, x, y)
    norms, mean = gradients.take(x, y, record=True).measured()
    for layer, tensors in norms.items():
        for tensor, found in tensors.items():
            torch.testing.assert_close(found, oracle[f"{layer}.{tensor}"].flatten(1).square().sum(1))
    for parameter, rows in oracle.items():
        torch.testing.assert_close(mean.tensors[parameter], rows.mean(0))


def test_one_pass_is_taken_where_most_products_are_of_linear_layers_on_plain_vectors_and_where_layers_are_small():
    wide, tokens = nn.Sequential(nn.Flatten(), nn.Linear(12, 20_000)), nn.Linear(3, 5)
    assert together(wide, torch.randn(2, 4, 3))
    assert together(mlp(), torch.randn(2, 1, 4, 3))
    assert not together(tokens, torch.randn(2, 4000, 3))
    assert together(tokens, torch.randn(2, 4, 3))
    assert not together(nn.Conv2d(1, 8, 3), torch.randn(2, 1, 50, 50))
    assert together(lenet(), torch.randn(2, 1, 12, 14))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16])
def test_the_median_of_three_is_that_of_sorted_lists_and_keeps_nan(dtype):
    rows = torch.randn(3, 40, generator=torch.Generator().manual_seed(0)).to(dtype)
    rows[:, 1], rows[1, 2], rows[0, 3], rows[2, 4] = 0.0, math.inf, -math.inf, math.nan
    found = median_of_three(*rows)
    assert found[4].isnan()
    assert found[:4].tolist() == [reference.median(list(column)) for column in rows.t()[:4].tolist()]
    assert torch.equal(found[5:], rows[:, 5:].float().median(dim=0).values.to(dtype))
    assert torch.equal(median_of_three(*rows.view(3, 8, 5).transpose(1, 2)).transpose(0, 1).flatten()[5:], found[5:])
