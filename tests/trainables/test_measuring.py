"""What whole trials measure: instruments, averaged weights, groups, stops, budgets; parts equal the whole."""

import numpy as np
import pytest
import torch

from tests import reference
from tests.trainables.problems import CE
from tests.trainables.specs import quick
from tests.trainables.test_trial import Clock, tables, trained
from trainables import build, registry
from trainables.build import build_setting
from trainables.checkpoint import CheckpointFolder
from trainables.instruments import CHOSEN
from trainables.records import PARTED
from trainables.sample import probe_sample
from trainables.sink import ListSink
from trainables.trial import run_trial

FEW = {"held-out": {"examples": 50}, "sign-stiffness": {"examples": 20}, "cosine-quantiles": {"examples": 30}}
ALL = [{"name": name, **FEW.get(name, {})} for name in CHOSEN]
PROBE = {"examples": 240, "schedule": "1-2-5"}
EVERYTHING = {"probe": {**PROBE, "at": ["raw", "ema"]}, "instruments": ALL, "evaluate": {"schedule": {"every": 7}}}


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def run(spec, **options):
    sink = ListSink()
    return run_trial(spec, sink, device="cpu", **options), sink


@pytest.fixture(scope="module")
def measured():
    return run(quick(epochs=1, measure=EVERYTHING))


def test_every_instrument_writes_rows_at_both_points(measured):
    result, sink = measured
    rows = sink.rows["instruments"]
    assert {(row["instrument"], row["source"]) for row in rows} == {
        (name, source) for name in CHOSEN for source in ("probe", "probe-ema")
    }
    assert all((row["value"] is None) == (row["undefined"] is not None) for row in rows)
    assert result.rows["instruments"] == len(rows)
    keys = [tuple(row[k] for k in ("step", "source", "instrument", "quantity", "group", "layer")) for row in rows]
    assert len(set(keys)) == len(keys)


def gradients(spec, weights=None):
    """Per-example gradients of the probe's sample at step 0, its labels and tags."""
    setting = build_setting(spec, "cpu")
    chosen = torch.from_numpy(probe_sample(spec.seed, 1400, spec.probe_examples))
    x, y = setting.train.x[chosen], setting.train.given[chosen]
    rows = reference.per_example_gradients(setting.model, CE, x, y)
    return reference.flat(rows), y.numpy(), (setting.train.given != setting.train.original)[chosen].numpy()


def value(sink, instrument, quantity, group="all", layer="*", step=0, source="probe"):
    rows = [
        row
        for row in sink.rows["instruments"]
        if (row["instrument"], row["quantity"], row["group"], row["layer"], row["step"], row["source"])
        == (instrument, quantity, group, layer, step, source)
    ]
    assert len(rows) == 1
    return rows[0]["value"]


def test_instruments_of_a_trial_equal_loops_over_examples(measured):
    _, sink = measured
    g, labels, corrupt = gradients(quick(epochs=1, measure=EVERYTHING))
    s, m = g.sum(0), len(g)
    u = g / g.norm(dim=1, keepdim=True)
    cosines = (u @ u.t()).numpy()
    off = ~np.eye(m, dtype=bool)
    same = labels[:, None] == labels[None]
    mean, var = g.mean(0), g.var(0, unbiased=False)
    live = var > 0
    expected = {
        ("cosine-stiffness", "all"): cosines[off].mean(),
        ("cosine-stiffness", "within"): cosines[off & same].mean(),
        ("cosine-stiffness", "between"): cosines[~same].mean(),
        ("gradient-snr", "median"): float((mean[live] ** 2 / var[live]).quantile(0.5)),
        ("gradient-snr", "live"): float(live.double().mean()),
        ("sign-stiffness", "all"): np.sign(cosines[:20, :20][off[:20, :20]]).mean(),
        ("cosine-quantiles", "mean"): cosines[:30, :30][off[:30, :30]].mean(),
    }
    for (instrument, quantity), right in expected.items():
        assert value(sink, instrument, quantity) == pytest.approx(right, rel=2e-3, abs=2e-5), (instrument, quantity)
    share = float((g[~corrupt] @ s).sum() / (s @ s))
    assert value(sink, "group-shares", "share", "pristine") == pytest.approx(share, rel=1e-3)
    setting = build_setting(quick(), "cpu")
    from trainables.seeding import stream

    held = torch.from_numpy(stream(0, "held-out").permutation(397)[:50])
    test = setting.evaluator.test
    h = reference.flat(reference.per_example_gradients(setting.model, CE, test.x[held], test.given[held])).mean(0)
    right = float(h @ (s / m) / (s / m).square().sum())
    assert value(sink, "held-out", "ratio") == pytest.approx(right, rel=1e-3)


def test_the_average_starts_at_the_weights_and_follows_them(measured):
    _, sink = measured
    at = {
        source: {
            row["step"]: row["s2"]
            for row in sink.rows["layers"]
            if row["source"] == source and row["layer"] == "*" and row["group"] == "all"
        }
        for source in ("probe", "probe-ema")
    }
    assert at["probe"][0] == at["probe-ema"][0]
    assert at["probe"][28] != at["probe-ema"][28]
    setting = trained(quick(measure=EVERYTHING), 0)
    average = {name: tensor.clone() for name, tensor in setting.model.state_dict().items()}
    for step in range(5):
        setting.train_step(step)
        for name, tensor in setting.model.state_dict().items():
            average[name] = 0.98 * average[name] + 0.02 * tensor
    for name, tensor in setting.watch.average.weights.items():
        torch.testing.assert_close(tensor, average[name], rtol=1e-5, atol=1e-7)


def test_measuring_everything_changes_no_parameter():
    off = {"online": None, "probe": None}
    a, b = (trained(quick(measure=measure), 6) for measure in (EVERYTHING, off))
    a.watch.rows(0)
    a.train_step(6)
    b.train_step(6)
    assert all(torch.equal(p, q) for p, q in zip(a.model.parameters(), b.model.parameters(), strict=True))


def check_parts(spec, folder):
    """Interrupted and resumed again and again, rows and facts equal those of an undisturbed run."""
    whole, expected = run(spec)
    parts, folder = ListSink(), CheckpointFolder(folder)
    outcomes = []
    while not outcomes or outcomes[-1] == "interrupted":
        result = run_trial(spec, parts, checkpoints=folder, should_stop=Clock(len(outcomes) * 7 + 1), device="cpu")
        outcomes.append(result.outcome)
    assert len(outcomes) > 3
    for table in PARTED:
        assert tables(parts)[table].equals(tables(expected)[table]), table
    assert (result.outcome, result.reason) == (whole.outcome, whole.reason)
    assert (result.facts, result.finals, result.rows) == (whole.facts, whole.finals, whole.rows)
    return result, expected


def test_instruments_and_averages_resume_bit_for_bit(tmp_path):
    check_parts(quick(measure=EVERYTHING), tmp_path / "c")


@pytest.mark.parametrize("estimator", [{"name": "grouped", "k": 5}, "eval-mode"], ids=str)
@pytest.mark.parametrize("aggregator", ["mean", "median-of-3"])
def test_other_units_resume_bit_for_bit(estimator, aggregator, tmp_path):
    spec = quick(estimator=estimator, aggregator=aggregator, measure={"probe": {**PROBE, "at": ["raw", "ema"]}})
    _, sink = check_parts(spec, tmp_path / "c")
    assert {row["estimator"] for row in sink.rows["layers"]} == {spec.estimator.name}
    assert {row["k"] for row in sink.rows["layers"]} == {5 if spec.estimator.name == "grouped" else 1}
    assert all(row["alpha_unbiased"] is not None for row in sink.rows["steps"])


def test_evaluation_mode_is_the_example_estimator_where_modes_agree():
    _, example = run(quick(epochs=1))
    _, eval_mode = run(quick(epochs=1, estimator="eval-mode"))
    for one, other in zip(example.rows["layers"], eval_mode.rows["layers"], strict=True):
        assert (one["step"], one["layer"], one["group"]) == (other["step"], other["layer"], other["group"])
        assert one["s2"] == pytest.approx(other["s2"], rel=1e-5)
        assert one["q"] == pytest.approx(other["q"], rel=1e-5)


def test_groups_estimate_the_alpha_of_examples():
    """The same sample, measured one by one and in groups of five: one estimate, within its error."""
    probe = {"probe": {"examples": 1000, "schedule": "1-2-5"}, "online": None}
    rows = []
    for estimator in ("example", {"name": "grouped", "k": 5}):
        _, sink = run(quick(epochs=1, estimator=estimator, measure=probe))
        rows.append([r for r in sink.rows["layers"] if r["layer"] == "*" and r["group"] == "all"])
    for example, grouped in zip(*rows, strict=True):
        error = np.hypot(example["alpha_error"], grouped["alpha_error"])
        assert abs(example["alpha_unbiased"] - grouped["alpha_unbiased"]) < 4 * error
        assert example["m_coherence"] == pytest.approx(grouped["m_coherence"], rel=0.35)


@pytest.mark.parametrize(
    ("stop", "words"), [({"train_accuracy": 0.25}, "accuracy"), ({"train_loss": 2.2}, "loss")], ids=["accuracy", "loss"]
)
def test_a_target_stops_the_trial_at_an_evaluation(stop, words, tmp_path):
    spec = quick(stop=stop, measure={**EVERYTHING, "instruments": ["noise-scale"]})
    result, sink = check_parts(spec, tmp_path / "c")
    assert result.outcome == "stopped"
    assert words in result.reason
    assert 0 < result.end_step < spec.total_steps
    last = [row for row in sink.rows["evals"] if row["split"] == "train"]
    reached = [
        row["accuracy"] >= stop.get("train_accuracy", 2) or row["loss"] <= stop.get("train_loss", 0) for row in last
    ]
    assert reached == [False] * (len(last) - 1) + [True]
    assert last[-1]["step"] == result.end_step
    assert max(row["step"] for row in sink.rows["layers"]) == result.end_step
    assert max(row["step"] for row in sink.rows["instruments"]) == result.end_step
    assert result.finals["final_train_accuracy"] == last[-1]["accuracy"]
    assert len(sink.rows["examples"]) == 1400


def test_a_largest_number_of_steps_is_the_end_of_a_complete_trial():
    result, sink = run(quick(stop={"max_steps": 30}))
    assert (result.outcome, result.end_step) == ("completed", 30)
    assert max(row["step"] for row in sink.rows["evals"]) == 30
    long = run(quick())[1]
    for row, other in zip(sink.rows["steps"], long.rows["steps"], strict=False):
        assert row == other


def test_examples_trained_and_measured_are_counted():
    result, _ = run(quick(epochs=1, measure={"probe": PROBE, "instruments": ["group-shares", *ALL[:3]]}))
    probes = 7  # steps 0, 1, 2, 5, 10, 20, 28
    assert result.facts["trained_examples"] == 28 * 50
    assert result.facts["measured_examples"] == probes * 240 * 2


def test_the_cost_stays_within_the_budget():
    measure = {
        "probe": {"examples": "all", "at": ["raw", "ema"], "schedule": {"every": 14}},
        "instruments": ["group-shares", ALL[6]],
        "budget": 0.5,
    }
    result, sink = run(quick(measure=measure))
    assert 0.35 < result.facts["measured_examples"] / result.facts["trained_examples"] <= 0.5
    assert {row["n"] for row in sink.rows["layers"] if row["source"] == "probe" and row["group"] == "all"} != {1400}


class Dropping(torch.nn.Sequential):
    """A network whose training pass draws random numbers."""

    def __init__(self):
        super().__init__(
            torch.nn.Flatten(), torch.nn.Linear(64, 20), torch.nn.ReLU(), torch.nn.Dropout(0.3), torch.nn.Linear(20, 10)
        )


@pytest.fixture
def dropping(monkeypatch):
    entry = registry.Entry(build.MODELS["mlp"].params, f"{__name__}:dropping_model", "with dropout")
    monkeypatch.setitem(build.MODELS, "mlp", entry)


def dropping_model(choice, shape, outputs):
    return Dropping()


@pytest.mark.parametrize("estimator", ["example", "eval-mode"])
def test_a_model_with_dropout_resumes_bit_for_bit_and_leaves_other_streams(estimator, dropping, tmp_path):
    generator = torch.get_rng_state()
    spec = quick(estimator=estimator, measure={"probe": PROBE, "instruments": ["group-shares"]})
    check_parts(spec, tmp_path / "c")
    assert torch.equal(generator, torch.get_rng_state())
