"""Each figure collects the numbers that a made-up store was given, draws, and says why where it cannot."""

from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import polars as pl
import pytest

from analysis.contracts.figures import PARTS, check_foreign
from analysis.curves import Line, Panel
from analysis.errors import Skipped
from analysis.figures import FIGURES
from analysis.gallery import Drawn, draw_one
from analysis.store import Store
from analysis.sweeps import Sweep, open_sweep
from tests.analysis.test_every_claim import (
    EASY_HARD,
    GRID,
    HALF,
    NOISE_IMAGES,
    RANDOM,
    RATES,
    SAMPLES,
    STARTS,
    WINSORIZED,
)
from tests.analysis.worlds import World, build, noise_of, over_seeds
from trainables.spec import TrialSpec

NOISES = over_seeds({}, HALF, RANDOM)
ROLLING = ("mean", "rolling-median-of-3", "rolling-mean-of-3", "median-of-3")
BATCHES = over_seeds(
    *({"aggregator": rule, **HALF} for rule in ROLLING),
    *({"aggregator": rule, "batch_size": 96, **HALF} for rule in ("mean", "median-of-3")),
)
LONG = over_seeds(*({"aggregator": rule, **HALF} for rule in ("mean", "median-of-3")))
PIXELS = over_seeds(
    *({"aggregator": rule, **noise} for noise in ({}, NOISE_IMAGES) for rule in ("mean", WINSORIZED[1]))
)
FIRST = over_seeds({}, RANDOM)
CONVOLUTIONS = over_seeds({"model": "lenet"}, {"model": "lenet", **RANDOM})
BASE: dict[str, Any] = {
    "model": {"name": "mlp", "widths": [64, 64]},
    "dataset": {"name": "mnist-5k", "train_examples": 2000},
}
VARIED = over_seeds(
    BASE,
    BASE | {"model": {"name": "mlp", "widths": [64]}},
    BASE | {"model": {"name": "mlp", "widths": [256, 256]}},
    BASE | {"batch_size": 8},
    BASE | {"optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.9}},
)
NORM = {
    "model": {"name": "cnn16", "norm": "batch"},
    "measure": {"online": None, "probe": {"examples": 1000, "at": ["raw", "ema"]}},
}
FEW = NORM["measure"] | {"probe": {"examples": 200, "at": ["raw", "ema"]}}
MODES = over_seeds(
    *(
        NORM | {"estimator": {"name": "grouped", "k": 5}, "optimizer": {"name": "sgd", "lr": 0.03}, **labels}
        for labels in ({}, RANDOM)
    ),
    *(
        NORM
        | {
            "estimator": {"name": "grouped", "k": 10},
            "optimizer": {"name": "sgd", "lr": 0.03},
            "measure": FEW,
            **labels,
        }
        for labels in ({}, RANDOM)
    ),
    *(
        NORM | {"estimator": estimator, "optimizer": {"name": "sgd", "lr": lr}, **labels}
        for estimator in ({"name": "grouped", "k": 10}, "eval-mode")
        for lr in (0.03, 0.3)
        for labels in ({}, RANDOM)
    ),
)


def falling(one: TrialSpec, step: int, split: str) -> float:
    """Training and pristine accuracy rise to 0.9, test falls from 0.8 with noise, corrupt rises late."""
    rise = 0.1 + 0.8 * step / (step + 100)
    level = {"test": rise - 0.3 * noise_of(one) * step / 2000, "corrupt": 0.1 + 0.85 * (step >= 1500)}.get(split, rise)
    return level + 0.01 * one.seed


PLAIN = World(
    falling,
    lambda one, step, *_: 1 + 10 * (1 - noise_of(one)) * (1 + one.seed / 10) / (1 + step / 500),
    share=lambda _one, _step, group: ({"pristine": 0.9, "corrupt": 0.1}[group], 0.4, 0.6),
    extra=("easy", "hard"),
)
CASES: dict[str, tuple[tuple[TrialSpec, ...], World]] = {
    "learning-curves": (NOISES, PLAIN),
    "group-shares": (over_seeds(HALF), PLAIN),
    "group-totals": (over_seeds(HALF), PLAIN),
    "winsorizing-grid": (GRID, PLAIN),
    "noise-and-test": (NOISES, PLAIN),
    "triple-batch": (BATCHES, PLAIN),
    "long-run": (LONG, World(lambda one, *_: 0.95 if one.aggregator.name == "mean" else 0.4)),
    "random-pixels": (PIXELS, PLAIN),
    "easy-hard": (EASY_HARD, PLAIN),
    "adversarial-start": (STARTS, PLAIN),
    "rise-and-fall": (NOISES, PLAIN),
    "coherence-evolution": (CONVOLUTIONS, PLAIN),
    "first-steps": (FIRST, World(coherence=PLAIN.coherence, steps=range(0, 101))),
    "sample-size": (SAMPLES, PLAIN),
    "easy-hard-coherence": (EASY_HARD, PLAIN),
    "what-explains": (MODES, World(coherence=lambda one, _step, _layer, source: _reading(one, source))),
    "learning-rate": (RATES, PLAIN),
    "settings": (VARIED, PLAIN),
    "coherence-vs-step": (NOISES, PLAIN),
    "coherence-vs-loss": (NOISES, PLAIN),
    "coherence-by-layer": (CONVOLUTIONS, PLAIN),
    "accuracy-by-aggregator": (BATCHES, PLAIN),
    "learning-speed": (over_seeds(HALF), PLAIN),
}
OTHERWISE_TESTED = {"linear-example", "related-metrics"}


def _reading(one: TrialSpec, source: str) -> float:
    """Evaluation mode x 8, averaged weights / 2, large rate x 3, original labels x 5, k = 5 x 1.5, m = 200 / 4."""
    value = (
        2.0 * (1.5 if getattr(one.estimator, "k", 1) == 5 else 1) * (0.25 if one.measure.probe.examples == 200 else 1)
    )
    value *= (8 if one.estimator.name == "eval-mode" else 1) * (0.5 if source == "probe-ema" else 1)
    return value * (3 if one.optimizer.lr == 0.3 else 1) * (5 if one.corruption.name == "none" else 1)


def opened(path: Path, name: str) -> tuple[Store, Sweep]:
    specs, world = CASES[name]
    store = Store(build(path / "store", specs, world))
    return store, open_sweep(store, "made-up")


def collected(path: Path, name: str) -> tuple[ModuleType, Any]:
    module = import_module(FIGURES[name].module)
    return module, module.collect(*opened(path, name))


def at(one: Line, x: float) -> float:
    """The centre at the position nearest to x."""
    points = [(a, b) for a, b in zip(one.x, one.center, strict=True) if a is not None and b is not None]
    return min(points, key=lambda point: abs(point[0] - x))[1]


def lines(panel: Panel) -> dict[str, Line]:
    return {one.key: one for one in panel.lines}


def test_no_figure_is_untested() -> None:
    assert set(CASES) | OTHERWISE_TESTED == set(FIGURES)


@pytest.mark.parametrize("name", CASES)
def test_each_figure_draws_and_keeps_its_data(tmp_path: Path, name: str) -> None:
    store, sweep = opened(tmp_path, name)
    drawn = draw_one(name, FIGURES[name], store, sweep)
    assert isinstance(drawn, Drawn), drawn
    assert drawn.png.startswith(b"\x89PNG")
    assert drawn.frame.height > 3
    assert drawn.caption
    assert all(sentence.endswith(".") for sentence in drawn.caption)
    assert "NaN" not in " ".join(drawn.caption)
    assert drawn.published


@pytest.mark.parametrize("name", FIGURES)
def test_a_foreign_sweep_is_drawn_or_skipped_with_a_reason(tmp_path: Path, name: str) -> None:
    check_foreign(FIGURES[name], tmp_path)


@pytest.mark.parametrize("name", FIGURES)
def test_a_registered_figure_has_what_the_others_have(name: str) -> None:
    module = import_module(FIGURES[name].module)
    for part in PARTS:
        assert hasattr(module, part), part
    assert FIGURES[name].papers
    assert FIGURES[name].needs


def test_sides_are_evaluated_on_either_held_out_part(tmp_path: Path) -> None:
    _, data = collected(tmp_path, "easy-hard")
    assert [panel.title for panel in data.rows[0]] == [
        "held-out easy examples",
        "held-out hard examples",
        "whole test set",
    ]
    assert set(lines(data.rows[0][0])) == {"trained on easy", "trained on hard"}


def test_rescaling_brings_samples_of_one_alpha_together(tmp_path: Path) -> None:
    module = import_module(FIGURES["sample-size"].module)
    alpha = 0.02
    world = World(coherence=lambda one, *_: 1 + (one.measure.probe.examples - 1) * alpha)
    store = Store(build(tmp_path / "store", SAMPLES, world))
    raw, scaled = (row[0] for row in module.collect(store, open_sweep(store, "made-up")).rows)
    first, second = raw.lines
    assert at(second, 500) / at(first, 500) == pytest.approx((1 + 1999 * alpha) / (1 + 999 * alpha))
    first, second = scaled.lines
    assert at(second, 500) == pytest.approx(at(first, 500)) == pytest.approx(1 + 999 * alpha)


def test_what_explains_finds_the_factors_that_were_put_in(tmp_path: Path) -> None:
    module, data = collected(tmp_path, "what-explains")
    found = {(one.factor, one.labels): one for one in data.effects}
    for labels in ("real", "random"):
        assert np.exp(found["batch normalisation", labels].center) == pytest.approx(8, rel=0.02)
        assert np.exp(found["weights", labels].center) == pytest.approx(2, rel=0.02)
        assert np.exp(found["learning rate", labels].center) == pytest.approx(3, rel=0.02)
        assert len(found["batch normalisation", labels].pairs) == 3 * 2 * 2
        assert np.exp(found["group size k", labels].center) == pytest.approx(1 / 1.5, rel=0.02)
        assert np.exp(found["sample size m", labels].center) == pytest.approx(4, rel=0.02)
        assert len(found["group size k", labels].pairs) == len(found["sample size m", labels].pairs) == 3 * 2
    assert [one.factor for one in data.effects][:2] == ["batch normalisation"] * 2
    frame: pl.DataFrame = module.frame(data)
    assert frame.filter(pl.col("cell").is_not_null()).height == 3 * (2 * 2 * 2 * 2 + 2 * 2 * 2)


def test_what_explains_compares_labels_and_single_probes_too(tmp_path: Path) -> None:
    _, data = collected(tmp_path, "what-explains")
    found = {(one.factor, one.labels): one for one in data.effects}
    assert np.exp(found["labels", "both"].center) == pytest.approx(5, rel=0.02)
    assert np.exp(found["summary", "real"].center) == pytest.approx(1)  # every probe reads the same there
    world = World(coherence=lambda _, step, *__: 8.0 if step == 500 else 2.0)
    store = Store(build(tmp_path / "spike", MODES, world))
    spiky = import_module(FIGURES["what-explains"].module).collect(store, open_sweep(store, "made-up")).effects
    summary = next(one for one in spiky if (one.factor, one.labels) == ("summary", "real"))
    assert 2 < np.exp(summary.center) < 4
    assert summary.second == "highest single probe"


def test_trials_that_no_factor_tells_apart_are_not_compared(tmp_path: Path) -> None:
    thin = {"online": None, "probe": {"examples": 1000, "at": ["raw", "ema"], "schedule": "1-2-5"}}
    twin = NORM | {"estimator": "eval-mode", "optimizer": {"name": "sgd", "lr": 0.3}, "measure": thin}
    store = Store(build(tmp_path / "store", (*MODES, *over_seeds(twin)), World()))
    with pytest.raises(Skipped, match="two trials differ in none of"):
        import_module(FIGURES["what-explains"].module).collect(store, open_sweep(store, "made-up"))


def test_settings_are_varied_one_at_a_time(tmp_path: Path) -> None:
    _, data = collected(tmp_path, "settings")
    assert [panel.title for panel in data.rows[0]] == ["depth", "width", "batch size", "momentum"]
    width = data.rows[0][1]
    assert [words for _, words in width.ticks] == ["64*", "256"]
    assert len(width.lines[0].seeds) == 3


def linear_store(path: Path, spoil: float = 0.0) -> tuple[Store, Sweep]:
    module = import_module(FIGURES["linear-example"].module)
    fields = {
        "model": {"name": "mlp", "widths": [], "bias": False},
        "init": "zeros",
        "loss": "squared-error",
        "batch_size": 4,
        "epochs": 20,
        "measure": {"probe": {"examples": "all"}},
    }
    worlds = [{"dataset": {"name": "linear-example", "world": world}, **fields} for world in ("real", "random")]
    paths = {world: module.descend(world, 0.1, 20) for world in ("real", "random")}

    def loss(one: TrialSpec, step: int, split: str) -> float:
        own = paths[one.dataset.world]
        return float((own.test if split == "test" else own.train)[step]) + spoil

    def coherence(one: TrialSpec, step: int, layer: str, source: str) -> float:
        return float(paths[one.dataset.world].m_coherence[step])

    made = World(loss=loss, coherence=coherence, steps=range(0, 21))
    store = Store(build(path / "store", over_seeds(*worlds, seeds=1), made))
    return store, open_sweep(store, "made-up")


def test_the_linear_example_is_exact(tmp_path: Path) -> None:
    module = import_module(FIGURES["linear-example"].module)
    data = module.collect(*linear_store(tmp_path))
    assert data.worst < 1e-12
    end = module.descend("real", 0.1, 2000)
    assert end.weights[-1] == pytest.approx([0.2, 0.2, 0.2, 0.2, 0.0, 0.8])
    assert (end.test[-1], end.m_coherence[0]) == pytest.approx((0.02, 2.5))
    alone = module.descend("random", 0.1, 2000)
    assert alone.weights[-1] == pytest.approx([1, 1, 1, 1, 0, 0])
    assert (alone.test[-1], alone.m_coherence[0]) == pytest.approx((0.5, 1.0))


def test_a_linear_example_that_is_not_the_papers_is_not_drawn(tmp_path: Path) -> None:
    module = import_module(FIGURES["linear-example"].module)
    with pytest.raises(Skipped, match="differ by"):
        module.collect(*linear_store(tmp_path, spoil=1e-6))
