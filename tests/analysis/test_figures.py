"""collect is tested exactly on hand-made numbers; draw is tested to give files."""

import json
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import polars as pl
import pytest

from analysis.errors import Skipped
from analysis.figures import (
    FIGURES,
    accuracy_by_aggregator,
    coherence_by_layer,
    coherence_vs_loss,
    coherence_vs_step,
    learning_speed,
)
from analysis.gallery import Drawn, draw_one
from analysis.store import Store
from analysis.sweeps import Sweep, open_sweep
from tests.analysis.made_up import (
    MEAN,
    MEDIAN,
    NONE,
    WINSORIZED,
    Cell,
    Effects,
    MadeUp,
    grid,
    permuted,
    statistics,
    write,
    write_trial,
)
from trainables.records import STOPPED_EARLY, part_path
from trainables.spec import trial_id


def _open(path: Path, made_up: MadeUp) -> tuple[Store, Sweep]:
    store = Store(write(path, made_up))
    return store, open_sweep(store, made_up.name)


def _coherence(cell: Cell, step: int, layer: str) -> float:
    """1, 2 or 4 by seed, doubled at step 12; layers at ten and a hundred times the network."""
    factor = {"*": 1, "fc1": 10, "fc2": 100, "fc3": 1000}[layer]
    return float(2**cell.seed * (2 if step == 12 else 1) * factor)


def _accuracy(cell: Cell, step: int, split: str) -> float:
    """By step, lowered for corrupt examples and for robust aggregators."""
    level = {0: 0.1, 10: 0.5, 12: 0.7, 20: 0.9}[step]
    return level - 0.2 * (split == "corrupt") * (step > 0) - 0.1 * (cell.aggregator != "mean") * (step > 0)


DEMO = (
    "coherence-vs-step",
    "coherence-vs-loss",
    "accuracy-by-aggregator",
    "learning-speed",
    "coherence-by-layer",
    "learning-curves",
    "winsorizing-grid",
    "noise-and-test",
)
"""Figures that the demo feeds."""

EFFECTS = Effects(_coherence, _accuracy, online=lambda *_: 3.0, steps=(0, 10, 12, 20), examples=100)


def test_coherence_against_step(tmp_path: Path) -> None:
    data = coherence_vs_step.collect(*_open(tmp_path, MadeUp(specs=grid(corruptions=(NONE,)), effects=EFFECTS)))
    (panel,) = data.probe
    (one,) = panel.lines
    assert (panel.title, panel.note, data.epochs) == ("MLP", "m = 4,000", (125,))
    assert (one.key, one.seeds, one.kind, one.style) == ("original labels", (0, 1, 2), "t", ("none", 0.0))
    assert one.x == (0.0, 11.0, 20.0)
    # Steps 10 and 12 share a window: (1 + 2) / (1 + 1) times the seed's level. Over seeds: geometric mean.
    assert one.seed_y == ((1.0, 1.5, 1.0), (2.0, 3.0, 2.0), (4.0, 6.0, 4.0))
    assert one.center == pytest.approx((2.0, 3.0, 2.0))
    # sd of log is log 2; t(0.975, 2) = 4.302653.
    assert one.high[0] == pytest.approx(2 * 2 ** (4.302653 / 3**0.5), rel=1e-6)


def test_coherence_uses_the_probe_of_all_examples_only(tmp_path: Path) -> None:
    made_up = MadeUp(specs=grid(corruptions=(NONE,), seeds=1), effects=EFFECTS)
    store, sweep = _open(tmp_path, made_up)
    identity = sweep.trial_ids[0]
    path = part_path(tmp_path, "layers", identity, 0)
    rows = pl.read_parquet(path)
    others = [
        rows.with_columns(s2=pl.lit(1e9), source=pl.lit("online")),
        rows.with_columns(s2=pl.lit(1e9), group=pl.lit("corrupt")),
    ]
    pl.concat([rows, *others]).write_parquet(path)
    (panel,) = coherence_vs_step.collect(store, sweep).probe
    assert panel.lines[0].center == (1.0, 1.5, 1.0)
    assert panel.lines[0].low == (None, None, None)


def test_the_online_view_is_rescaled_to_the_probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"step": step, "epoch": 0, **statistics(m, 5)} for step, m in ((0, 2.0), (5, 0.5), (10, 1.0))]
    monkeypatch.setattr("tests.analysis.made_up.step_rows", lambda *_: rows)
    data = coherence_vs_step.collect(*_open(tmp_path, MadeUp(specs=grid(corruptions=(NONE,)), effects=EFFECTS)))
    (panel,) = data.online
    # Window 0: m-coherence (2 + 0.5) / 2 = 1.25, alpha_unbiased 0.25 / 4, at m = 4000: 1 + 3999 / 16.
    assert panel.lines[0].center == pytest.approx((1 + 3999 / 16, 1.0))
    assert panel.lines[0].x == (2.5, 10.0)
    assert "rescaled to m = 4,000" in panel.note


def test_coherence_against_loss(tmp_path: Path) -> None:
    store, sweep = _open(tmp_path, MadeUp(specs=grid(corruptions=(NONE,), seeds=1), effects=EFFECTS))
    (panel,) = coherence_vs_loss.collect(store, sweep).panels
    losses = store.read("evals").filter(pl.col("split") == "train").sort("step")["loss"].to_list()
    assert panel.lines[0].x == pytest.approx((losses[0], (losses[1] + losses[2]) / 2, losses[3]))
    assert panel.lines[0].center == pytest.approx((1.0, 1.5, 1.0))


def test_accuracy_by_aggregator(tmp_path: Path) -> None:
    specs = grid(corruptions=(permuted(0.5),), aggregators=(MEAN, MEDIAN), seeds=2)
    data = accuracy_by_aggregator.collect(*_open(tmp_path, MadeUp(specs=specs, effects=EFFECTS)))
    ((corrupt, pristine, _),) = data.rows
    assert [one.key for one in corrupt.lines] == ["mean", "median-of-3"]
    assert corrupt.lines[1].center == pytest.approx((0.1, 0.2, 0.4, 0.6))
    assert pristine.lines[0].x == (0.0, 10.0, 12.0, 20.0)
    assert pristine.lines[0].kind == "range"
    final = next(one for one in data.finals[0] if (one.split, one.aggregator) == ("corrupt", "median-of-3"))
    assert final.center == pytest.approx(0.4)  # of the last three evaluations
    assert final.values == pytest.approx((0.4, 0.4))
    assert data.guessing == (0.1,)


def test_learning_speed_says_what_was_never_reached(tmp_path: Path) -> None:
    def slow(cell: Cell, step: int, split: str) -> float:
        return 0.4 if split == "corrupt" else _accuracy(cell, step, split)

    specs = grid(corruptions=(NONE, permuted(0.5), permuted(1.0)))
    data = learning_speed.collect(*_open(tmp_path, MadeUp(specs=specs, effects=replace(EFFECTS, accuracy=slow))))
    pristine, corrupt = data.halves[0]
    assert (pristine.group, pristine.steps) == ("pristine", (10, 10, 10))
    assert (corrupt.group, corrupt.steps, corrupt.last_step) == ("corrupt", (None, None, None), 20)
    assert "> 20 (never, all 3 seeds)" in learning_speed.caption(data)[0]
    assert [one.key for one in data.now[0].lines] == [
        "pristine",
        "corrupt",
        "reference: original labels",
        "reference: 100 % permuted labels",
    ]


def test_share_ever_learnt_counts_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learnt = [0, 10, 20, None]
    rows = [{"index": i, "original_label": i, "corrupt": i >= 4, "first_learnt": learnt[i % 4]} for i in range(8)]
    monkeypatch.setattr("tests.analysis.made_up.example_rows", lambda *_: rows)
    specs = grid(corruptions=(permuted(0.5),), seeds=1)
    data = learning_speed.collect(*_open(tmp_path, MadeUp(specs=specs, effects=EFFECTS)))
    assert [one.center for one in data.ever[0].lines] == [(0.25, 0.5, 0.5, 0.75)] * 2


def test_layers_come_in_forward_order(tmp_path: Path) -> None:
    made_up = MadeUp(specs=grid(corruptions=(NONE, permuted(1.0)), seeds=1), effects=EFFECTS)
    data = coherence_by_layer.collect(*_open(tmp_path, made_up))
    ((original, random),) = data.rows
    assert (original.title, random.title) == ("original labels", "100 % permuted labels")
    assert [one.key for one in original.lines] == ["fc1", "fc2", "fc3"]
    assert [one.center[1] for one in original.lines] == pytest.approx([15.0, 150.0, 1500.0])


@pytest.mark.parametrize("absent", ["row", "null"])
def test_clean_labels_without_corrupt_rows_are_no_trouble(tmp_path: Path, absent: str) -> None:
    specs = grid(aggregators=(MEAN, WINSORIZED), seeds=1)
    store = write(tmp_path, MadeUp(specs=specs, effects=EFFECTS))
    if absent == "row":
        for path in store.glob("evals/*/*.parquet"):
            pl.read_parquet(path).filter(pl.col("count") > 0).write_parquet(path)
    opened = Store(store)
    for name in DEMO:
        import_module(FIGURES[name].module).collect(opened, open_sweep(opened, "demo"))


@pytest.mark.parametrize("name", FIGURES)
def test_a_sweep_without_its_axes_skips_the_figure_with_a_reason(tmp_path: Path, name: str) -> None:
    store, sweep = _open(tmp_path, MadeUp(specs=grid(seeds=1), effects=EFFECTS, skipped=frozenset(range(3))))
    with pytest.raises(Skipped, match=r"^\w.* \w+"):
        import_module(FIGURES[name].module).collect(store, sweep)


def test_missing_cells_and_pairing_are_in_the_footer(tmp_path: Path) -> None:
    specs = grid(corruptions=(NONE,), seeds=3)
    data = coherence_vs_step.collect(
        *_open(tmp_path, MadeUp(specs=specs, effects=EFFECTS, skipped=frozenset({1}))),
    )
    assert "Missing 1 of 3 trials: MLP, original labels, mean, seed 1." in data.foot
    assert "not paired" not in data.foot
    assert data.probe[0].lines[0].kind == "range"


def test_trials_that_were_stopped_early_are_missing_and_said_to_be(tmp_path: Path) -> None:
    specs = grid(corruptions=(NONE,), seeds=3)
    store, _ = _open(tmp_path, MadeUp(specs=specs, effects=EFFECTS))
    file = part_path(store.path, "trials", trial_id(specs[1]), 0)
    change = {"outcome": pl.lit("stopped"), "reason": pl.lit(f"{STOPPED_EARLY} number 3 of 3")}
    pl.read_parquet(file).with_columns(**change).write_parquet(file)
    store = Store(store.path)
    data = coherence_vs_step.collect(store, open_sweep(store, "demo"))
    assert "Missing 1 of 3 trials (1 stopped early): MLP, original labels, mean, seed 1." in data.foot


@pytest.mark.parametrize("name", DEMO)
def test_figures_of_the_demo_draw(drawn_demo: dict[str, Drawn], name: str) -> None:
    drawn = drawn_demo[name]
    assert drawn.png.startswith(b"\x89PNG")
    assert len(drawn.png) > 50_000
    assert drawn.svg.rstrip().endswith(b"</svg>")
    assert drawn.frame.height > 100
    assert set(drawn.frame["seed"].unique()) == {None, 0, 1, 2}
    assert all(drawn.caption)


def test_redrawing_gives_the_same_bytes_and_says_which_trials(
    opened: tuple[Store, Sweep], drawn_demo: dict[str, Drawn]
) -> None:
    first = drawn_demo["coherence-vs-loss"]
    second = draw_one(first.name, FIGURES[first.name], *opened)
    assert isinstance(second, Drawn)
    assert first.png == second.png
    assert first.svg == second.svg
    assert json.dumps(opened[1].trials.height).encode() in first.png[:1000]


def test_names_from_data_are_drawn_as_text(tmp_path: Path) -> None:
    """A dollar sign would start a formula."""
    store, sweep = _open(tmp_path, MadeUp(specs=grid(corruptions=(NONE,), seeds=2), effects=EFFECTS))
    trials = sweep.trials.with_columns(noise_label=pl.lit("$<odd>_{$"))
    assert isinstance(
        draw_one("coherence-vs-loss", FIGURES["coherence-vs-loss"], store, replace(sweep, trials=trials)), Drawn
    )


def test_unfinished_trials_are_not_drawn(tmp_path: Path) -> None:
    specs = grid(corruptions=(NONE,), seeds=2)
    path = write(tmp_path, MadeUp(specs=specs, effects=EFFECTS, skipped=frozenset({1})))
    write_trial(path, specs[1], EFFECTS, outcome="diverged")
    store = Store(path)
    data = coherence_vs_step.collect(store, open_sweep(store, "demo"))
    assert data.probe[0].lines[0].seeds == (0,)
    assert trial_id(specs[1]) in store.finished["trial_id"].to_list()
