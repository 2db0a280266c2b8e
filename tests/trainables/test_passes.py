"""Units of measurement: grouped and evaluation mode against loops, chunks that shrink, nothing left changed."""

import copy
from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn

from tests import reference
from tests.trainables.problems import CE, mlp
from trainables.chunking import Chunks, is_out_of_memory
from trainables.estimators import alpha_of_one, alpha_unbiased, alpha_unbiased_of_one, jackknife_error
from trainables.example_units import ExampleUnits
from trainables.gradients.engine import Engine
from trainables.gradients.types import Statistics
from trainables.instruments.coherence import measure
from trainables.measures import columns
from trainables.modes import at_weights, evaluating, frozen_buffers
from trainables.passes import GroupedUnits, Keep, parts_of
from trainables.probe import measure_sample, probe_rows
from trainables.sample import deal, deal_mixed, probe_sample

SIZE, K = 180, 4


def normed():
    """A small network with batch normalisation on two and four axes."""
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(2, 3, 3),
            norm=nn.BatchNorm2d(3),
            relu=nn.ReLU(),
            flatten=nn.Flatten(),
            fc=nn.Linear(3 * 9, 6),
            norm2=nn.BatchNorm1d(6),
            out=nn.Linear(6, 4),
        )
    )


def problem():
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(3)
        model = normed().double()
        model(torch.randn(50, 2, 5, 5, dtype=torch.float64))
        return model, torch.randn(SIZE, 2, 5, 5, dtype=torch.float64), torch.randint(4, (SIZE,))


def group_means(model, x, y, indices, k):
    """Gradient of the mean loss of each whole group of k, one ordinary backward pass each: [n, P]."""
    rows = []
    for start in range(0, len(indices) - k + 1, k):
        twin = copy.deepcopy(model)
        chosen = torch.from_numpy(indices[start : start + k])
        CE(twin(x[chosen]), y[chosen]).mean().backward()
        rows.append(torch.cat([parameter.grad.flatten() for parameter in twin.parameters()]))
    return torch.stack(rows)


def test_grouped_rows_equal_a_loop_over_groups():
    model, x, y = problem()
    corrupt = np.arange(SIZE) % 2 == 0
    cells = deal_mixed(probe_sample(0, SIZE, SIZE), corrupt)
    units = GroupedUnits(model, CE, K)
    rows = {
        r["group"]: r for r in probe_rows(units, measure_sample(units, x, y, cells, Keep()), ("pristine", "corrupt"))
    }
    whole = torch.cat([group_means(model, x, y, c.indices, K) for c in cells if c.group == "all"])
    for group in ("all", "pristine", "corrupt"):
        own = [group_means(model, x, y, c.indices, K) for c in cells if c.group == group]
        w = torch.cat(own)
        row, q, s2 = rows[group], float(w.square().sum()), float(w.sum(0).square().sum())
        assert (row["estimator"], row["k"], row["n"], row["layer"]) == ("grouped", K, len(w), "*")
        assert row["q"] == pytest.approx(q, rel=1e-10)
        assert row["s2"] == pytest.approx(s2, rel=1e-9)
        assert row["q4"] == pytest.approx(float(w.square().sum(1).square().sum()), rel=1e-10)
        assert row["s_dot_total"] == pytest.approx(float(w.sum(0) @ whole.sum(0)), rel=1e-8)
        assert row["alpha_unbiased"] == pytest.approx(alpha_of_one(reference.unbiased_by_pairs(w), K), rel=1e-8)
        left_out = []
        for block in range(len(own)):
            kept = torch.cat([each for number, each in enumerate(own) if number != block])
            q, s2 = float(kept.square().sum()), float(kept.sum(0).square().sum())
            left_out.append(alpha_unbiased_of_one(len(kept), q, s2, K))
        assert row["alpha_error"] == pytest.approx(jackknife_error(left_out), rel=1e-6)


def test_grouped_layers_are_the_modules_that_hold_parameters():
    model, x, y = problem()
    units = GroupedUnits(model, CE, K)
    found = units.statistics(x[:12], y[:12])
    w = group_means(model, x[:12], y[:12], np.arange(12), K)
    bounds = np.cumsum([0, *(part.parameters for part in units.parts)])
    assert [part.name for part in units.parts] == ["conv", "norm", "fc", "norm2", "out"]
    for part, a, b in zip(units.parts, bounds, bounds[1:], strict=False):
        assert found[part.name].q == pytest.approx(float(w[:, a:b].square().sum()), rel=1e-10)
        assert found[part.name].s2 == pytest.approx(float(w[:, a:b].sum(0).square().sum()), rel=1e-9)
    assert (found["*"].n, found["*"].k) == (3, K)


def test_a_group_of_one_layer_free_model_measures_examples():
    """Without normalisation the mean of one example is its gradient: k = 1 is the plain estimator."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(3)
        model, x, y = mlp().double(), torch.randn(20, 1, 4, 3, dtype=torch.float64), torch.randint(4, (20,))
    grouped, example = GroupedUnits(model, CE, 1), ExampleUnits(model, CE, Engine(model))
    for name, found in grouped.statistics(x, y).items():
        expected = example.statistics(x, y)[name]
        for one in ("n", "q", "s2", "q4", "k"):
            assert getattr(found, one) == pytest.approx(getattr(expected, one), rel=1e-10)


@pytest.mark.parametrize("k", [2, 5, 20])
def test_the_inversion_is_unbiased_where_the_naive_one_is_not(k):
    """Independent noise with a shared part has a known alpha; averaged over draws only the corrected form finds it."""
    generator, n, size, shared = np.random.default_rng(1), 10, 50, 0.1
    truth = shared**2 / (1 + shared**2)
    corrected, naive = [], []
    for _ in range(400):
        w = (generator.normal(size=(n, k, size)) + shared).mean(1)
        q, s2 = float((w**2).sum()), float((w.sum(0) ** 2).sum())
        corrected.append(alpha_unbiased_of_one(n, q, s2, k))
        naive.append(alpha_of_one(s2 / (n * q), k))
    assert np.mean(corrected) == pytest.approx(truth, rel=0.2)
    assert np.mean(naive) > 1.5 * truth


@pytest.mark.parametrize("k", [1, 3, 7])
def test_identical_and_orthogonal_units_of_any_size(k):
    n, v = 6, np.array([3.0, 4.0])
    same = measure(Statistics(n, n * 25.0, n * n * 25.0, n * 625.0, k))
    assert (same["alpha"], same["alpha_unbiased"]) == pytest.approx((1.0, 1.0))
    assert same["m_coherence"] == pytest.approx(n * k)
    apart = measure(Statistics(n, n * float(v @ v), n * float(v @ v), n * 625.0, k))
    assert apart["alpha_unbiased"] == pytest.approx(0.0)
    assert apart["m_coherence"] == pytest.approx(1.0)
    assert measure(Statistics(1, 1.0, 1.0, 1.0, k))["undefined"]
    assert columns(Statistics(0, 0.0, 0.0, 0.0, k))["alpha"] is None


def in_evaluation(model):
    twin = copy.deepcopy(model)
    twin.eval()
    return twin


def test_evaluation_mode_rows_equal_a_loop_over_examples():
    model, x, y = problem()
    units = ExampleUnits(model, CE, Engine(model, eval_mode=True), eval_mode=True)
    corrupt = np.zeros(SIZE, dtype=bool)
    sample = probe_sample(0, SIZE, 40)
    g = reference.flat(reference.per_example_gradients(in_evaluation(model), CE, x, y))[sample]
    row = probe_rows(units, measure_sample(units, x, y, deal(sample, corrupt), Keep()), ())[-1]
    q, s2 = float(g.square().sum()), float(g.sum(0).square().sum())
    assert (row["estimator"], row["layer"], row["n"]) == ("eval-mode", "*", 40)
    assert row["q"] == pytest.approx(q, rel=1e-10)
    assert row["s2"] == pytest.approx(s2, rel=1e-9)
    assert row["alpha_unbiased"] == pytest.approx(alpha_unbiased(40, q, s2), rel=1e-7)


@pytest.mark.parametrize("kind", ["grouped", "eval-mode"])
def test_measuring_leaves_running_statistics_modes_and_streams(kind):
    model, x, y = problem()
    model.norm2.eval()
    state, modes = copy.deepcopy(model.state_dict()), [module.training for module in model.modules()]
    generator = torch.get_rng_state()
    if kind == "grouped":
        units = GroupedUnits(model, CE, K)
    else:
        units = ExampleUnits(model, CE, Engine(model, eval_mode=True), eval_mode=True)
    units.statistics(x[:20], y[:20])
    measure_sample(units, x, y, deal(np.arange(SIZE), np.zeros(SIZE, dtype=bool)), Keep())
    assert all(torch.equal(state[name], tensor) for name, tensor in model.state_dict().items())
    assert [module.training for module in model.modules()] == modes
    assert torch.equal(generator, torch.get_rng_state())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_states_come_back_when_a_pass_fails():
    model, x, _ = problem()
    state = copy.deepcopy(model.state_dict())
    other = {name: tensor + 1 for name, tensor in state.items()}

    def interrupted():
        with frozen_buffers(model), at_weights(model, other), evaluating(model):
            assert not model.norm.training
            assert torch.equal(model.norm.running_mean, other["norm.running_mean"])
            model.train()(x)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        interrupted()
    assert all(torch.equal(state[name], tensor) for name, tensor in model.state_dict().items())
    assert model.norm.training


class NoMemory:
    """A loss that runs out of memory above so many examples, as torch says it."""

    def __init__(self, most, error):
        self.most, self.error, self.sizes = most, error, []

    def __call__(self, outputs, labels):
        if len(labels) > self.most:
            raise self.error
        self.sizes.append(len(labels))
        return CE(outputs, labels)


OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError(
        "[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: you tried to allocate"
    ),
    MemoryError(),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda e: type(e).__name__)
def test_out_of_memory_shrinks_the_chunk_and_not_the_result(error):
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(3)
        model, x, y = mlp().double(), torch.randn(SIZE, 1, 4, 3, dtype=torch.float64), torch.randint(4, (SIZE,))
    loss = NoMemory(3, error)
    rows = []
    for each in (loss, CE):
        units = ExampleUnits(model, each, Engine(model))
        cells = deal(np.arange(SIZE), np.zeros(SIZE, dtype=bool))
        rows.append(probe_rows(units, measure_sample(units, x, y, cells, Keep()), ()))
    assert max(loss.sizes) <= 3
    for shrunk, whole in zip(*rows, strict=True):
        assert shrunk["n"] == whole["n"] == SIZE
        for column in ("q", "s2", "q4", "alpha_unbiased", "alpha_error", "s_dot_total"):
            assert shrunk[column] == pytest.approx(whole[column], rel=1e-9)


def test_one_example_that_does_not_fit_is_an_error():
    def work(part):
        raise OUT_OF_MEMORY[0]

    with pytest.raises(torch.OutOfMemoryError):
        list(Chunks(8).over(20, work))


def test_other_errors_are_not_taken_for_a_lack_of_memory():
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_out_of_memory(ValueError("out of memory"))

    def work(part):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        list(Chunks(8).over(20, work))


def test_parts_count_every_trained_parameter_once():
    model = normed()
    model.out.weight = model.out.weight
    model.conv.bias.requires_grad_(False)
    parts = parts_of(model)
    names = [name for part in parts for name in part.tensors]
    assert names == [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert sum(part.parameters for part in parts) == sum(p.numel() for p in model.parameters() if p.requires_grad)
