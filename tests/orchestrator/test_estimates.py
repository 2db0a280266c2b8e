"""Seconds and bytes that a plan expects, and the intervals around them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t

from orchestrator.calibrate import calibrate, thinned, timed_seconds
from orchestrator.cost import rough_bytes, rough_rows, rough_seconds
from orchestrator.estimates import ROUGH, Amount, Estimator, estimator_from, total
from orchestrator.kinds import kind_of
from orchestrator.spread import ONE_SEEN, centre, factor, quantile_t
from orchestrator.store import Store
from tests.orchestrator.fakes import FakeTrial
from tests.orchestrator.test_geometry import spec_of
from trainables.records import CURVES
from trainables.spec import TrialSpec

Coherence = Callable[..., tuple[int, str, str]]
MLP: dict[str, Any] = {"name": "mlp", "widths": [16]}


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 7, 20, 500])
def test_quantile_of_student(freedom: int) -> None:
    assert quantile_t(freedom) == pytest.approx(t.ppf(0.9, freedom), rel=1e-3)


def test_the_interval_covers_as_often_as_it_says() -> None:
    """Of normal logarithms, the next ratio falls inside in 80 % of the cases, whatever their number."""
    import numpy as np

    draw = np.random.default_rng(7)
    for seen in (2, 4, 12):
        inside = 0
        for _ in range(2000):
            ratios = np.exp(0.4 * draw.standard_normal(seen + 1))
            width = factor(list(ratios[:-1]))
            inside += 1 / width <= ratios[-1] / centre(list(ratios[:-1])) <= width
        assert inside / 2000 == pytest.approx(0.8, abs=0.03), seen


@given(st.lists(st.floats(0.01, 100), min_size=2, max_size=20), st.floats(0.1, 10))
def test_a_factor_is_free_of_scale(ratios: list[float], scale: float) -> None:
    assert factor(ratios) >= 1
    assert factor([scale * ratio for ratio in ratios]) == pytest.approx(factor(ratios), rel=1e-6)
    assert factor(ratios, ahead=9) <= factor(ratios)


def test_one_ratio_and_none() -> None:
    assert factor([3.0]) == ONE_SEEN
    spec = spec_of("digits", MLP)
    rough = rough_seconds(spec)
    assert Estimator().seconds(spec) == Amount(rough, rough / ROUGH, rough * ROUGH)
    known = Estimator({kind_of(spec): [2.0]})
    assert known.seconds(spec) == Amount(2 * rough, rough, 4 * rough)
    other = spec_of("digits", {"name": "mlp", "widths": [5]})
    assert known.seconds(other).middle == pytest.approx(2 * rough_seconds(other))
    assert known.seconds(other).high == pytest.approx(ROUGH * 2 * rough_seconds(other))
    assert known.timed({kind_of(spec): [3.0]}, 1.5).seconds(spec).high == pytest.approx(4.5 * rough)


def test_total_adds_each_end() -> None:
    assert total([Amount(2, 1, 4), Amount(3, 2, 5)]) == Amount(5, 3, 9)
    assert total([]) == Amount(0, 0, 0)


MORE: dict[str, dict[str, Any]] = {
    "epochs": {"epochs": 4},
    "a larger probe": {"measure": {"probe": {"examples": 400}}},
    "a second point for the probe": {"measure": {"probe": {"examples": 200, "at": ["raw", "ema"]}}},
    "an instrument that looks again": {"measure": {"probe": {"examples": 200}, "instruments": ["cosine-stiffness"]}},
    "a Gram matrix": {"measure": {"probe": {"examples": 200}, "instruments": ["sign-stiffness"]}},
    "a denser schedule": {"measure": {"probe": {"examples": 200, "schedule": {"every": 1}}}},
    "evaluating at every step": {"measure": {"probe": {"examples": 200}, "evaluate": {"schedule": {"every": 1}}}},
    "rows": {"measure": {"probe": {"examples": 200}}, "aggregator": {"name": "winsorized", "level": 6}},
    "groups as units": {"measure": {"probe": {"examples": 200}}, "estimator": {"name": "grouped", "k": 4}},
    "a wider model": {"measure": {"probe": {"examples": 200}}, "model": {"name": "mlp", "widths": [160]}},
}


@pytest.mark.parametrize("case", MORE)
def test_more_work_costs_more(case: str) -> None:
    basis = spec_of("digits", MLP, measure={"probe": {"examples": 200}})
    changes = {"measure": {"probe": {"examples": 200}}, **MORE[case]}
    model = changes.pop("model", MLP)
    assert rough_seconds(spec_of("digits", model, **changes)) > rough_seconds(basis)


LESS: dict[str, dict[str, Any]] = {
    "a budget": {"measure": {"probe": {"examples": 200}, "budget": 0.05}},
    "an early end": {"measure": {"probe": {"examples": 200}}, "stop": {"max_steps": 20}},
    "no probe": {"measure": {"probe": None}},
    "no batch measured": {"measure": {"probe": {"examples": 200}, "online": None}},
}


@pytest.mark.parametrize("case", LESS)
def test_less_work_costs_less(case: str) -> None:
    basis = spec_of("digits", MLP, measure={"probe": {"examples": 200}})
    assert rough_seconds(spec_of("digits", MLP, **LESS[case])) < rough_seconds(basis)
    assert rough_bytes(spec_of("digits", MLP, **LESS[case])) <= rough_bytes(basis)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> tuple[TrialSpec, Store]:
    """A real trial in a store."""
    from orchestrator.attempt import RunOptions, run_attempt
    from orchestrator.store import create_store

    spec = spec_of(
        "digits",
        {"name": "mlp", "widths": [32]},
        corruption={"name": "permuted-labels", "fraction": 0.5},
        epochs=3,
        measure={"probe": {"examples": 200}},
    )
    store = create_store(tmp_path_factory.mktemp("real") / "store")
    assert run_attempt(spec, RunOptions(str(store.root), estimated_s=1.25), lambda: False) == "completed"
    return spec, store


def test_rows_are_counted_as_they_are_written(real: tuple[TrialSpec, Store]) -> None:
    from trainables.spec import trial_id

    spec, store = real
    [row] = pq.read_table(store.trial_file(trial_id(spec))).to_pylist()
    written = {table: row[f"rows_{table}"] or 0 for table in CURVES}
    written["digests"] = sum(pq.read_metadata(path).num_rows for path in store.parts("digests", trial_id(spec)))
    assert rough_rows(spec) == written


def test_bytes_are_of_the_right_size_and_learnt(real: tuple[TrialSpec, Store]) -> None:
    from trainables.spec import trial_id

    spec, store = real
    taken = sum(path.stat().st_size for path in store.root.rglob("*.parquet"))
    assert 1 / ROUGH < taken / rough_bytes(spec) < ROUGH
    found = estimator_from(store, [trial_id(spec)])
    assert found.bytes(spec).middle == pytest.approx(taken)
    assert found.bytes(spec).low < taken < found.bytes(spec).high
    [attempt] = pq.read_table(store.attempt_file(trial_id(spec), 0)).to_pylist()
    assert attempt["estimated_s"] == 1.25
    assert found.seconds(spec).middle == pytest.approx(attempt["cpu_s"])


def test_timing_measures_every_part_and_keeps_the_length() -> None:
    spec = spec_of("digits", MLP, measure={"probe": {"examples": 200}, "budget": 0.05}, epochs=3)
    sample = thinned(spec)
    assert sample.total_steps == spec.total_steps
    assert sample.probe_steps == {0, spec.total_steps}
    assert sample.probe_examples == spec.probe_examples


def test_a_longer_trial_is_timed_as_longer() -> None:
    short, long = (spec_of("digits", MLP, measure={"probe": {"examples": 100}}, epochs=n) for n in (2, 200))
    timed_seconds(short, 0.02)  # the first pays for imports
    assert timed_seconds(long, 0.05) > 5 * timed_seconds(short, 0.05)
    assert list(calibrate([short, long], 0.02)) == [kind_of(short)]


def test_plan_in_json_has_intervals(coherence: Coherence, tmp_path: Path) -> None:
    _, out, _ = coherence("plan", "smoke", "--json", "--workers", "1", "--store", tmp_path / "none")
    plan = json.loads(out)
    for name in ("cpu_seconds", "wall_seconds", "disk_bytes", "gpu_seconds"):
        assert plan[f"{name}_low"] <= plan[name] <= plan[f"{name}_high"], name
    assert plan["cpu_seconds_high"] == pytest.approx(ROUGH * plan["cpu_seconds"], abs=0.2)
    assert (plan["gpu_seconds"], plan["stale"]) == (0, 0)
    assert plan["wall_seconds"] == plan["cpu_seconds"]


def test_plan_counts_the_share_of_a_gpu(coherence: Coherence, tmp_path: Path) -> None:
    from orchestrator.load import builtin_sweeps

    file = tmp_path / "gpu.yaml"
    file.write_text(builtin_sweeps()["smoke"] + "resources: {cpu: 1, gpu: 0.25}\n")
    plan = json.loads(coherence("plan", file, "--json", "--store", tmp_path / "none")[1])
    assert plan["gpu_seconds"] == pytest.approx(plan["cpu_seconds"] / 4, abs=0.1)
    assert "GPU-hours" in coherence("plan", file, "--store", tmp_path / "none")[1]


def test_calibrating_writes_nothing(coherence: Coherence, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("orchestrator.calibrate.SECONDS", 0.02)
    code, out, _ = coherence("plan", "smoke", "--calibrate", "--json")
    plan = json.loads(out)
    assert (code, plan["basis"].startswith("timed")) == (0, True)
    assert plan["cpu_seconds_high"] == pytest.approx(1.5 * plan["cpu_seconds"], abs=0.2)
    assert list(tmp_path.iterdir()) == []


def test_every_attempt_remembers_what_was_expected(coherence: Coherence, fake_trial: FakeTrial, tmp_path: Path) -> None:
    plan = json.loads(coherence("plan", "smoke", "--json", "--workers", "1", "--store", tmp_path / "r")[1])
    coherence("run", "smoke", "--local", "--store", tmp_path / "r")
    found = [pq.read_table(path)["estimated_s"][0].as_py() for path in (tmp_path / "r").glob("attempts/*/*.parquet")]
    assert sum(found) == pytest.approx(plan["cpu_seconds"], abs=0.1)
