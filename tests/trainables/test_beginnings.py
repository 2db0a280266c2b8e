"""What a trial starts from, which part of the data it takes, and samples that do not overlap."""

from math import sqrt

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from tests.trainables.specs import quick
from trainables.beginnings import Difficulty
from trainables.build import build_setting
from trainables.checkpoint import CheckpointFolder
from trainables.difficulty import class_ranks, divide
from trainables.sample import probe_sample
from trainables.sink import ListSink
from trainables.spec import canonical_json, trial_id
from trainables.trial import run_trial

RANDOM = {"name": "permuted-labels", "fraction": 1.0}
PRETRAINED = {"name": "pretrained", "corruption": RANDOM, "epochs": 1}


def rows_of(spec, **more):
    sink = ListSink()
    return run_trial(spec, sink, device="cpu", **more), sink.rows


def weights(model):
    return {name: tensor.detach().clone() for name, tensor in model.named_parameters()}


@pytest.mark.parametrize(("model", "layer"), [({"name": "mlp", "widths": [400]}, "fc1"), ("cnn16", "conv2")])
def test_cg20_draws_as_the_released_code_does(model, layer):
    found = weights(build_setting(quick(model=model, init="cg20"), "cpu").model)
    weight = found[f"{layer}.weight"]
    fans = (weight.shape[0] + weight.shape[1]) * weight[0, 0].numel()
    assert float(weight.std()) == pytest.approx(2 / sqrt(fans), rel=0.03)
    assert abs(float(weight.mean())) < 3 * 2 / sqrt(fans) / sqrt(weight.numel())
    assert all(not tensor.any() for name, tensor in found.items() if name.endswith("bias"))


def test_cg20_keeps_scales_and_depends_on_the_seed_alone():
    model = {"name": "cnn16", "norm": "group"}
    one, again, other = (
        weights(build_setting(quick(model=model, init="cg20", seed=seed), "cpu").model) for seed in (0, 0, 1)
    )
    assert torch.equal(one["norm1.weight"], torch.ones(16))
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not torch.equal(one["conv1.weight"], other["conv1.weight"])


def test_old_spellings_keep_their_ids():
    assert '"init":"zeros"' in canonical_json(quick(init="zeros"))
    assert trial_id(quick(init="default", difficulty=None)) == trial_id(quick())
    probe = {"examples": 300, "schedule": "1-2-5", "skip": 0}
    measure = {**quick().model_dump()["measure"], "probe": probe}
    assert trial_id(quick(measure=measure)) == trial_id(quick())


def test_pretrained_weights_fit_the_other_labels_and_then_everything_starts_afresh():
    long, model = {**PRETRAINED, "epochs": 60}, {"name": "mlp", "widths": [64]}
    spec = quick(corruption="none", init=long, model=model, optimizer={"name": "sgd", "lr": 0.01, "momentum": 0.9})
    setting = build_setting(spec, "cpu")
    before = weights(setting.model)
    assert all(torch.equal(before[n], w) for n, w in weights(build_setting(quick(model=model), "cpu").model).items())
    setting.start(lambda: False)
    own = setting.evaluator.rows(0)[0]["accuracy"]
    random = build_setting(quick(corruption=RANDOM, model=model), "cpu")
    random.model.load_state_dict(setting.model.state_dict())
    fitted = random.evaluator.rows(0)[0]["accuracy"]
    assert own + 0.05 < fitted
    assert setting.optimizer.state() == {}
    _, rows = rows_of(spec)
    assert rows["steps"][0]["step"] == 0
    assert next(row["accuracy"] for row in rows["evals"] if row["split"] == "train") == own


def test_pretraining_neither_uses_nor_moves_the_trials_own_order():
    setting, plain = (build_setting(quick(init=init), "cpu") for init in (PRETRAINED, "default"))
    setting.start(lambda: False)
    assert torch.equal(setting._batch(0)[0], plain._batch(0)[0])
    assert torch.equal(setting._batch(30)[1], plain._batch(30)[1])


def test_averaged_weights_start_where_the_trial_does():
    measure = {"probe": {"examples": 100, "at": ["raw", "ema"]}, "online": None}
    _, rows = rows_of(quick(init=PRETRAINED, measure=measure, stop={"max_steps": 1}))
    first = {row["source"]: row["q"] for row in rows["layers"] if row["step"] == 0 and row["layer"] == "*"}
    assert first["probe"] == first["probe-ema"]


@pytest.mark.parametrize("change", [{"init": PRETRAINED}, {"difficulty": {"side": "hard"}, "batch_size": 20}])
def test_run_in_full_equals_run_in_parts(change, tmp_path):
    spec = quick(**change)
    whole, expected = rows_of(spec)
    parts, folder = ListSink(), CheckpointFolder(tmp_path / "c")
    asked = iter(range(10_000))
    pause = {spec.steps_beforehand + 5, spec.steps_beforehand + 20}
    outcomes = []
    for _ in range(6):
        result = run_trial(spec, parts, checkpoints=folder, should_stop=lambda: next(asked) in pause, device="cpu")
        outcomes.append(result.outcome)
        if result.outcome == "completed":
            break
    assert outcomes.count("completed") == 1
    assert "interrupted" in outcomes
    assert {table: rows for table, rows in parts.rows.items() if rows} == {t: r for t, r in expected.items() if r}
    assert (result.finals, result.facts) == (whole.finals, whole.facts)


@pytest.mark.parametrize("change", [{"init": PRETRAINED}, {"difficulty": {"side": "easy"}}])
def test_a_stop_before_the_first_step_leaves_nothing_and_costs_nothing_but_time(change, tmp_path):
    sink, folder = ListSink(), CheckpointFolder(tmp_path / "c")
    result = run_trial(quick(**change), sink, checkpoints=folder, should_stop=lambda: True, device="cpu")
    assert (result.outcome, result.end_step) == ("interrupted", 0)
    assert not any(sink.rows.values())
    assert folder.newest() is None


@pytest.mark.parametrize("change", [{"init": PRETRAINED}, {"difficulty": {"side": "easy"}}])
def test_diverging_before_the_first_step_is_an_outcome(change):
    result, rows = rows_of(quick(optimizer={"name": "sgd", "lr": 1e30}, **change))
    assert result.outcome == "diverged"
    assert result.reason
    assert not any(rows.values())


def test_ranks_are_by_value_within_each_class():
    labels = np.array([0, 1, 0, 1, 0, 1, 1, 1])
    values = np.array([5.0, 1.0, 3.0, 9.0, 3.0, 2.0, 0.5, 4.0])
    assert class_ranks(values, labels).tolist() == [5 / 6, 0.3, 1 / 6, 0.9, 0.5, 0.5, 0.1, 0.7]


@pytest.mark.parametrize("seed", range(3))
def test_sides_are_balanced_of_one_size_and_apart(seed):
    rng = np.random.default_rng(seed)
    labels, losses = rng.permutation(np.repeat(np.arange(10), 90)), rng.exponential(size=900)
    choices = {side: Difficulty(side=side, part=0.3, held_out=0.2) for side in ("easy", "hard", "mixed")}
    found = {side: divide(choice, losses, labels, seed) for side, choice in choices.items()}
    trained, held = choices["easy"].sizes(900)
    assert (trained, held) == (216, 54)
    easy, hard, mixed = (set(found[side].train) for side in ("easy", "hard", "mixed"))
    assert len(easy) == len(hard) == len(mixed) == trained
    assert not easy & hard
    assert len(mixed & easy) == len(mixed & hard) == trained // 2
    for sides in found.values():
        assert set(sides.easy) == set(found["easy"].easy)  # the same held-out parts whatever is trained on
        assert not (easy | hard | mixed) & (set(sides.easy) | set(sides.hard))
        for members in (sides.train, sides.easy, sides.hard):
            counts = np.bincount(labels[members], minlength=10)
            assert counts.max() - counts.min() <= (4 if members is sides.train else 1)
    for label in range(10):
        own = labels == label
        low = losses[[i for i in easy | set(found["easy"].easy) if own[i]]]
        high = losses[[i for i in hard | set(found["easy"].hard) if own[i]]]
        assert low.max() < np.median(losses[own]) < high.min()


def test_a_trial_on_a_side_says_what_it_trained_on():
    easy, hard = ({"side": side, "part": 0.25} for side in ("easy", "hard"))
    made = {}
    for name, choice in (("easy", easy), ("hard", hard)):
        measure = {"probe": {"examples": 100}}
        spec = quick(corruption="none", difficulty=choice, batch_size=20, epochs=30, measure=measure)
        result, rows = rows_of(spec)
        trained, held = spec.difficulty.sizes(quick().dataset_facts.train)
        assert result.facts["train_examples"] == trained == spec.dataset_facts.train == len(rows["examples"])
        assert {row["split"]: row["count"] for row in rows["evals"]}["easy"] == held
        made[name] = (
            {row["index"] for row in rows["examples"]},
            {row["split"]: row["accuracy"] for row in rows["evals"][-6:]},
        )
    assert not made["easy"][0] & made["hard"][0]
    assert max(made["easy"][0] | made["hard"][0]) > 1000  # places in the whole training split
    assert made["easy"][1]["easy"] > made["hard"][1]["hard"]


def test_corrupt_labels_stay_with_their_examples_on_a_side():
    whole = build_setting(quick(), "cpu")
    side = build_setting(quick(difficulty={"side": "hard"}, batch_size=20), "cpu")
    places = torch.from_numpy(side.evaluator.positions)
    assert torch.equal(side.train.given, whole.train.given[places])
    assert torch.equal(side.train.original, whole.train.original[places])
    assert torch.equal(side.train.x, whole.train.x[places])
    assert np.array_equal(side.selected, whole.selected[side.evaluator.positions])


def test_samples_with_skip_are_disjoint_and_follow_on():
    first, second = probe_sample(3, 100, 20), probe_sample(3, 100, 40, skip=20)
    assert not set(first) & set(second)
    assert np.array_equal(np.concatenate([first, second]), probe_sample(3, 100, 60))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"init": "ones"}, "init"),
        ({"init": {"name": "pretrained", "epochs": 1}}, "corruption"),
        ({"init": {**PRETRAINED, "epochs": 0}}, "epochs"),
        ({"init": {**PRETRAINED, "corruption": "permuted-label"}}, "permuted-labels"),
        (
            {"init": {**PRETRAINED, "corruption": "gaussian-pixels"}, "dataset": {"name": "gaussian-clusters"}},
            "gaussian-pixels",
        ),
        ({"difficulty": {"side": "middle"}}, "side"),
        ({"difficulty": {"side": "easy", "part": 0.6}}, "part"),
        ({"difficulty": {"side": "easy", "part": 0.001}}, "larger part"),
        ({"difficulty": {"side": "easy", "part": 0.01}}, "batch_size 50 is larger"),
        ({"measure": {"probe": {"examples": 800, "skip": 700}}}, "800 with skip 700"),
        ({"measure": {"probe": {"examples": "all", "skip": 1400}}}, "fewer than 2"),
    ],
)
def test_what_is_refused(change, said):
    with pytest.raises(ValidationError, match=said):
        quick(**change)
