"""Trials: measuring never changes training, parts equal the whole, no trial sees another, exact examples."""

import itertools

import numpy as np
import pytest
import torch

from tests import reference
from tests.trainables.problems import CE
from tests.trainables.specs import quick
from trainables import checkpoint
from trainables.aggregators import AGGREGATORS
from trainables.build import build_setting
from trainables.checkpoint import CheckpointFolder
from trainables.records import PARTED, to_table
from trainables.seeding import epoch_order
from trainables.sink import ListSink
from trainables.spec import TrialSpec
from trainables.trial import run_trial

PARAMETERS = {"winsorized": {"level": 4.0}, "trimmed-mean": {"level": 4.0}, "norm-clipped": {"clip": 0.5}}
AGGREGATOR_CHOICES = [{"name": name, **PARAMETERS.get(name, {})} for name in AGGREGATORS]


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def tables(sink):
    return {table: to_table(table, [{"trial_id": "x", **row} for row in sink.rows[table]]) for table in PARTED}


def run(spec, **options):
    sink = ListSink()
    return run_trial(spec, sink, device="cpu", **options), sink


def trained(spec, steps):
    setting = build_setting(spec, "cpu")
    for step in range(steps):
        setting.train_step(step)
    return setting


@pytest.mark.parametrize("aggregator", AGGREGATOR_CHOICES, ids=lambda c: c["name"])
def test_parameters_are_bit_identical_with_measuring_on_and_off(aggregator):
    off = {"online": None, "probe": None}
    a, b = (trained(quick(aggregator=aggregator, **m), 8) for m in ({}, {"measure": off}))
    a.watch.rows(0)
    a.evaluator.rows(3)
    for setting in (a, b):
        for step in range(8, 12):
            setting.train_step(step)
    for one, other in zip(a.model.parameters(), b.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_the_mean_is_ordinary_sgd():
    spec = quick()
    setting, twin = build_setting(spec, "cpu"), build_setting(spec, "cpu")
    optimizer = torch.optim.SGD(twin.model.parameters(), lr=0.2)
    order = epoch_order(0, 0, 1400)
    for step in range(10):
        setting.train_step(step)
        batch = torch.from_numpy(order[step * 50 : step * 50 + 50])
        optimizer.zero_grad()
        CE(twin.model(twin.train.x[batch]), twin.train.given[batch]).mean().backward()
        optimizer.step()
    for one, other in zip(setting.model.parameters(), twin.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_online_rows_are_the_statistics_of_the_batch_before_its_update():
    _, sink = run(quick(epochs=1))
    twin = build_setting(quick(), "cpu")
    batch = torch.from_numpy(epoch_order(0, 0, 1400)[:50])
    g = reference.flat(reference.per_example_gradients(twin.model, CE, twin.train.x[batch], twin.train.given[batch]))
    row = sink.rows["steps"][0]
    assert (row["step"], row["epoch"], row["n"]) == (0, 0, 50)
    assert row["q"] == pytest.approx(float(g.square().sum()), rel=1e-5)
    assert row["s2"] == pytest.approx(float(g.sum(0).square().sum()), rel=1e-5)
    assert row["alpha"] == pytest.approx(reference.coherence_by_pairs(g), rel=1e-4)
    assert [row["step"] for row in sink.rows["steps"]] == list(range(0, 28, 2))
    online = [row for row in sink.rows["layers"] if row["source"] == "online"]
    assert sorted({row["step"] for row in online}) == [0, 1, 2, 5, 10, 20, 27]
    whole = [row for row in online if row["layer"] == "*" and row["step"] == 0]
    assert whole[0]["s2"] == row["s2"]
    assert sum(r["q"] for r in online if r["step"] == 0 and r["layer"] != "*") == pytest.approx(row["q"])


class Clock:
    """A stop flag that goes up at the n-th question."""

    def __init__(self, at):
        self.left = at

    def __call__(self):
        self.left -= 1
        return self.left <= 0


@pytest.mark.parametrize("aggregator", AGGREGATOR_CHOICES, ids=lambda c: c["name"])
def test_run_in_full_equals_run_in_parts(aggregator, tmp_path):
    check_parts(quick(aggregator=aggregator), tmp_path)


@pytest.mark.parametrize(
    "optimizer",
    [
        {"name": "sgd", "lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-3},
        {"name": "adam", "lr": 0.01},
        {"name": "adamw", "lr": 0.01},
    ],
    ids=lambda o: o["name"],
)
def test_run_in_full_equals_run_in_parts_with_an_optimizer_that_remembers(optimizer, tmp_path):
    check_parts(quick(optimizer=optimizer, schedule={"name": "cosine", "warmup_epochs": 1}), tmp_path)


def check_parts(spec, tmp_path):
    whole, expected = run(spec)
    parts, folder = ListSink(), CheckpointFolder(tmp_path / "c")
    stops = []
    for at in (1, 2, 9, 30, 1000):
        result = run_trial(spec, parts, checkpoints=folder, should_stop=Clock(at), device="cpu")
        stops.append((result.outcome, result.start_step, result.end_step))
    assert stops == [
        ("interrupted", 0, 1),
        ("interrupted", 1, 3),
        ("interrupted", 3, 12),
        ("interrupted", 12, 42),
        ("completed", 42, 56),
    ]
    for table, found in tables(parts).items():
        assert found.equals(tables(expected)[table]), table
        assert found.num_rows == result.rows[table]
    assert result.finals == whole.finals
    assert result.facts == whole.facts


def test_checkpoints_by_time_change_parts_and_not_rows(tmp_path):
    class Counting(ListSink):
        parts: list[int]

        def flush(self, part, metadata):
            del metadata
            self.parts.append(part)

    often = Counting()
    often.parts = []
    run_trial(quick(), often, checkpoints=CheckpointFolder(tmp_path / "c"), checkpoint_every_s=0.0, device="cpu")
    assert often.parts == list(range(57))
    assert tables(often)["layers"].equals(tables(run(quick())[1])["layers"])


def test_a_trial_leaves_nothing_behind_for_the_next():
    second = quick(seed=1, aggregator="rolling-median-of-3")
    _, alone = run(second)
    run(quick(seed=0, aggregator={"name": "winsorized", "level": 4}, dtype="float64"))
    torch.rand(7)
    np.random.rand(3)  # noqa: NPY002 - a global draw must not matter
    _, after = run(second)
    for table, found in tables(after).items():
        assert found.equals(tables(alone)[table]), table


def test_trials_that_differ_in_one_axis_share_data_order_labels_and_probe():
    a, b = (build_setting(quick(**o), "cpu") for o in ({}, {"aggregator": "median-of-3", "model": "mlp"}))
    assert torch.equal(a.train.given, b.train.given)
    assert torch.equal(a._batch(40)[0], b._batch(40)[0])
    assert all((c.indices == d.indices).all() for c, d in zip(a.watch._cells, b.watch._cells, strict=True))
    assert a.facts["data_sha256"] == b.facts["data_sha256"]


def test_examples_say_when_each_was_learnt():
    _, sink = run(quick())
    evaluated = sorted({row["step"] for row in sink.rows["evals"]})
    assert evaluated == [0, 7, 14, 21, 28, 35, 42, 49, 56]
    rows = sink.rows["examples"]
    assert [row["index"] for row in rows] == list(range(1400))
    assert all((row["given_label"] != row["original_label"]) == row["corrupt"] for row in rows)
    last = {row["split"]: row for row in sink.rows["evals"] if row["step"] == 56}
    learnt = [row["learnt_for_good"] is not None for row in rows]
    assert np.mean(learnt) == pytest.approx(last["train"]["accuracy"])
    assert np.mean([row["final_loss"] for row in rows]) == pytest.approx(last["train"]["loss"])
    assert last["pristine"]["count"] + last["corrupt"]["count"] == 1400
    for row in rows:
        if row["learnt_for_good"] is not None:
            assert row["first_learnt"] in evaluated
            assert row["first_learnt"] <= row["learnt_for_good"]


def test_a_loss_that_leaves_the_numbers_is_an_outcome():
    result, sink = run(quick(optimizer={"name": "sgd", "lr": 1e30}))
    assert result.outcome == "diverged"
    assert result.reason
    assert result.finals == {}
    assert result.end_step < 28
    assert all(np.isfinite(row["loss"]) for row in sink.rows["steps"])


def test_progress_is_told():
    seen = []
    run(quick(epochs=1), on_step=lambda step, last: seen.append((step, last)))
    assert seen == [(step, 28) for step in range(1, 29)]


def linear(world, lr=0.1, epochs=40):
    return TrialSpec.model_validate(
        {
            "dataset": {"name": "linear-example", "world": world},
            "model": {"name": "mlp", "widths": [], "bias": False},
            "loss": "squared-error",
            "init": "zeros",
            "optimizer": {"name": "sgd", "lr": lr},
            "batch_size": 4,
            "epochs": epochs,
            "seed": 0,
            "dtype": "float64",
            "measure": {"probe": {"examples": "all"}},
        }
    )


@pytest.mark.parametrize(
    ("world", "coherence", "unbiased", "rate"), [("real", 2.5, 0.5, 1.25), ("random", 1.0, 0.0, 0.25)]
)
def test_the_linear_example_is_exact(world, coherence, unbiased, rate):
    """Constant coherence; residuals shrink by 1 - rate x lr a step; science as in section 3 of arXiv 2203.10036."""
    _, sink = run(linear(world))
    for row in sink.rows["steps"]:
        assert row["m_coherence"] == pytest.approx(coherence, rel=1e-12)
        assert row["alpha_unbiased"] == pytest.approx(unbiased, abs=1e-12)
        assert row["loss"] == pytest.approx(0.5 * (1 - rate * 0.1) ** (2 * row["step"]), rel=1e-9)
    probe = [r for r in sink.rows["layers"] if r["source"] == "probe" and r["group"] == "all"]
    assert all(r["m_coherence"] == pytest.approx(coherence, rel=1e-12) for r in probe)


@pytest.mark.parametrize(("world", "prediction", "loss"), [("real", -0.8, 0.02), ("random", 0.0, 0.5)])
def test_the_limit_of_the_linear_example(world, prediction, loss):
    setting = trained(linear(world), 4000)
    assert setting.model(setting.evaluator.test.x).item() == pytest.approx(prediction, abs=1e-6)
    row = next(r for r in setting.evaluator.rows(0) if r["split"] == "test")
    assert row["loss"] == pytest.approx(loss, abs=1e-6)
    weights = next(setting.model.parameters()).detach().flatten()
    expected = [0.2] * 4 + [0.0, 0.8] if world == "real" else [1.0] * 4 + [0.0, 0.0]
    signs = torch.ones(6)
    torch.testing.assert_close(weights.float(), torch.tensor(expected) * signs, atol=1e-5, rtol=0)


def test_a_damaged_checkpoint_costs_the_work_since_the_one_before(tmp_path):
    folder, sink = CheckpointFolder(tmp_path / "c"), ListSink()
    for at in (3, 4):
        run_trial(quick(), sink, checkpoints=folder, should_stop=Clock(at), device="cpu")
    assert folder.newest() == 1
    (tmp_path / "c" / "checkpoint-1.pt").write_bytes(b"half a file")
    assert folder.newest() == 0
    result = run_trial(quick(), ListSink(), checkpoints=folder, device="cpu")
    assert (result.start_step, result.outcome) == (3, "completed")


def test_a_checkpoint_of_other_numerics_is_not_gone_on_from(tmp_path, monkeypatch):
    folder = CheckpointFolder(tmp_path / "c")
    run_trial(quick(), ListSink(), checkpoints=folder, should_stop=Clock(3), device="cpu")
    assert folder.newest_step() == 3
    monkeypatch.setattr(checkpoint, "NUMERICS_VERSION", checkpoint.NUMERICS_VERSION + 1)
    assert folder.newest() is None
    result = run_trial(quick(), ListSink(), checkpoints=folder, device="cpu")
    assert (result.start_step, result.outcome) == (0, "completed")


def test_checkpoints_hold_nothing_that_must_be_unpickled(tmp_path):
    folder = CheckpointFolder(tmp_path / "c")
    spec = quick(aggregator="rolling-median-of-3")
    run_trial(spec, ListSink(), checkpoints=folder, should_stop=Clock(5), device="cpu")
    content = folder.load(0)
    assert content["step"] == 5
    assert content["setting"]["aggregator"]
    folder.clear()
    assert not (tmp_path / "c").exists()


def test_the_loop_asks_for_a_stop_after_every_update():
    questions = itertools.count()

    def asked():
        next(questions)
        return False

    run(quick(epochs=1), should_stop=asked)
    assert next(questions) == 28
