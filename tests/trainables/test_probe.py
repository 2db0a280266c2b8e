"""The probe against the whole set of per-example gradients, and that it changes nothing."""

import copy

import numpy as np
import pytest
import torch

from tests import reference
from tests.trainables.problems import CE, lenet, mlp
from trainables.estimators import alpha_unbiased
from trainables.example_units import ExampleUnits
from trainables.gradients import vectors
from trainables.gradients.engine import Engine
from trainables.passes import Keep
from trainables.probe import measure_sample, probe_rows
from trainables.sample import BLOCKS, deal, probe_sample

SIZE = 60


def problem(build, shape):
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(2)
        model = build().double()
        return model, torch.randn(SIZE, *shape, dtype=torch.float64), torch.randint(4, (SIZE,))


def measured(model, x, y, cells, groups, chunk=512, fused=True):
    units = ExampleUnits(model, CE, Engine(model, fused=fused))
    units.chunks.size = chunk
    return probe_rows(units, measure_sample(units, x, y, cells, Keep()), groups)


CORRUPT = np.arange(SIZE) % 3 == 0
GROUPS = {"all": np.ones(SIZE, dtype=bool), "pristine": ~CORRUPT, "corrupt": CORRUPT}


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("chunk", [4, 512])
@pytest.mark.parametrize(("build", "shape"), [(mlp, (1, 4, 3)), (lenet, (1, 12, 14))])
def test_rows_equal_a_loop_over_examples(build, shape, chunk, fused, monkeypatch):
    monkeypatch.setattr(vectors, "COLUMNS", 7)
    monkeypatch.setattr(vectors, "LEAST", 1)
    model, x, y = problem(build, shape)
    oracle = reference.per_example_gradients(model, CE, x, y)
    sample = probe_sample(0, SIZE, 41)
    rows = measured(model, x, y, deal(sample, CORRUPT), ("pristine", "corrupt"), chunk, fused)
    names = ["*", *dict.fromkeys(name.split(".")[0] for name in oracle)]
    assert [(r["group"], r["layer"]) for r in rows] == [(g, n) for g in GROUPS for n in [*names[1:], "*"]]
    for row in rows:
        g = reference.flat(oracle, "" if row["layer"] == "*" else f"{row['layer']}.")
        own, total = g[sample[GROUPS[row["group"]][sample]]], g[sample].sum(0)
        norms = own.square().sum(1)
        assert row["n"] == len(own)
        assert row["parameters"] == g.shape[1]
        assert row["q"] == pytest.approx(float(norms.sum()), rel=1e-10)
        assert row["q4"] == pytest.approx(float(norms.square().sum()), rel=1e-10)
        assert row["s2"] == pytest.approx(float(own.sum(0).square().sum()), rel=1e-10)
        assert row["s_dot_total"] == pytest.approx(float(own.sum(0) @ total), rel=1e-8)
        blocks = np.arange(41) * BLOCKS // 41
        left_out = []
        for block in np.unique(blocks[GROUPS[row["group"]][sample]]):
            kept = g[sample[(blocks != block) & GROUPS[row["group"]][sample]]]
            q, s2 = float(kept.square().sum()), float(kept.sum(0).square().sum())
            left_out.append(alpha_unbiased(len(kept), q, s2))
        center = np.mean(left_out)
        count = len(left_out)
        expected = np.sqrt((count - 1) / count * sum((v - center) ** 2 for v in left_out))
        assert row["alpha_error"] == pytest.approx(expected, rel=1e-7)


def test_the_groups_of_a_layer_add_up():
    model, x, y = problem(mlp, (1, 4, 3))
    rows = measured(model, x, y, deal(np.arange(SIZE), CORRUPT), ("pristine", "corrupt"))
    for layer in ("fc1", "fc2", "fc3", "*"):
        whole, pristine, corrupt = (r for r in rows if r["layer"] == layer)
        assert whole["s_dot_total"] == pytest.approx(whole["s2"])
        assert pristine["s_dot_total"] + corrupt["s_dot_total"] == pytest.approx(whole["s2"])
        assert pristine["q"] + corrupt["q"] == pytest.approx(whole["q"])
        assert pristine["n"] + corrupt["n"] == whole["n"] == SIZE


def test_a_group_without_examples_is_null_with_a_reason():
    model, x, y = problem(mlp, (1, 4, 3))
    rows = measured(model, x, y, deal(np.arange(SIZE), np.zeros(SIZE, dtype=bool)), ("pristine", "corrupt"))
    empty = [r for r in rows if r["group"] == "corrupt"]
    assert len(empty) == 4
    assert all(r["n"] == 0 and r["alpha"] is None and r["alpha_error"] is None and r["undefined"] for r in empty)


def test_probing_changes_nothing():
    model, x, y = problem(lenet, (1, 12, 14))
    before, generator = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    measured(model, x, y, deal(np.arange(SIZE), CORRUPT), ())
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert torch.equal(generator, torch.get_rng_state())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_sample_depends_on_the_seed_alone_and_nests():
    assert (probe_sample(3, 100, 20) == probe_sample(3, 100, 50)[:20]).all()
    assert (probe_sample(3, 100, 20) != probe_sample(4, 100, 20)).any()
    assert sorted(probe_sample(3, 100, 100)) == list(range(100))


def test_sorted_data_do_not_bias_the_blocks():
    """Blocks are dealt by place in the random sample: each holds about every class of class-sorted data."""
    labels = np.repeat(np.arange(10), 100)
    for cell in deal(probe_sample(0, 1000, 1000), np.zeros(1000, dtype=bool)):
        assert len(np.unique(labels[cell.indices])) == 10
