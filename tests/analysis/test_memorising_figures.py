"""Figures about learning and memorising, on made-up stores in which the answer is known."""

from dataclasses import replace
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest

from analysis.batches import tripled
from analysis.errors import Skipped
from analysis.figures import (
    FIGURES,
    group_shares,
    group_totals,
    learning_curves,
    learning_rate,
    long_run,
    noise_and_test,
    random_pixels,
    triple_batch,
    winsorizing_grid,
)
from analysis.gallery import Drawn, draw_one
from analysis.learning import proper_level
from analysis.store import Store
from analysis.sweeps import Sweep, open_sweep
from tests.analysis.made_up import (
    BATCH,
    MEAN,
    MEDIAN,
    NONE,
    ROLLING,
    Cell,
    Effects,
    MadeUp,
    grid,
    permuted,
    spec,
    write,
)
from tests.analysis.made_up_shares import measured, quick
from trainables.records import part_path
from trainables.spec import TrialSpec

HALF = (permuted(0.5),)
NEW = (
    "group-shares",
    "group-totals",
    "winsorizing-grid",
    "learning-curves",
    "noise-and-test",
    "triple-batch",
    "long-run",
    "random-pixels",
    "learning-rate",
)


def _open(path: Path, specs: tuple[TrialSpec, ...], effects: Effects) -> tuple[Store, Sweep]:
    store = Store(write(path, MadeUp(specs=specs, effects=effects)))
    return store, open_sweep(store, "demo")


def _flat(cell: Cell, step: int, split: str) -> float:
    """Exact shares by split and aggregator, the same at every step but the first."""
    robust = cell.aggregator != "mean"
    levels = {"train": 0.8, "test": 0.7, "pristine": 0.9, "corrupt": 0.9 - 0.3 * robust}
    return 0.1 if step == 0 else levels[split]


def _by_aggregator(cell: Cell, _step: int, _layer: str) -> float:
    return 2.0 if cell.aggregator == "mean" else 9.0


FLAT = quick(accuracy=_flat)


def test_shares_are_ratios_of_sums_over_windows(tmp_path: Path) -> None:
    # Steps 10 and 12 share a window; at 12 S nearly cancels, and the mean of the ratios would be -4.55.
    dots = {0: (90.0, 10.0), 10: (90.0, 10.0), 12: (-100.0, 110.0), 20: (25.0, 75.0)}
    store, sweep = measured(tmp_path, MadeUp(specs=grid(corruptions=HALF), effects=FLAT), dots)
    (column,) = group_shares.collect(store, sweep).columns
    pristine, corrupt = column.share.lines
    assert pristine.x == (0.0, 11.0, 20.0)
    assert pristine.center == pytest.approx((0.9, -10 / 110, 0.25))
    assert corrupt.center == pytest.approx((0.1, 120 / 110, 0.75))
    assert column.dots.lines[0].center == pytest.approx((0.09, (0.09 - 0.1) / 2, 0.025))
    null = column.share_nulls[1]
    assert (null.group, null.low, null.high) == ("corrupt", pytest.approx((0.65,) * 3), pytest.approx((0.85,) * 3))
    data = group_shares.collect(store, sweep)
    assert "first falls below it near step 11" in group_shares.caption(data)[0]
    bands = group_shares.frame(data).filter(pl.col("condition") == "null worlds: corrupt")
    assert set(bands["interval"]) == {"null worlds"}
    assert set(bands["row"]) == {"share f", "mean dot"}


def test_shares_of_other_aggregators_and_averaged_weights_are_left_out(tmp_path: Path) -> None:
    specs = grid(corruptions=HALF, aggregators=(MEAN, MEDIAN), seeds=1)
    store, sweep = measured(tmp_path, MadeUp(specs=specs, effects=FLAT), {0: (90.0, 10.0)})
    path = part_path(tmp_path, "instruments", sweep.trial_ids[0], 0)
    rows = pl.read_parquet(path)
    pl.concat([rows, rows.with_columns(source=pl.lit("probe-ema"), value=pl.lit(7.0))]).write_parquet(path)
    (column,) = group_shares.collect(store, sweep).columns
    assert [one.center for one in column.share.lines] == [pytest.approx((0.9,)), pytest.approx((0.1,))]
    assert column.share.lines[0].kind == "line"


def test_totals_say_when_corrupt_examples_overtake(tmp_path: Path) -> None:
    dots = {0: (90.0, 10.0), 10: (90.0, 10.0), 20: (10.0, 900.0)}
    opened = measured(tmp_path, MadeUp(specs=grid(corruptions=HALF, seeds=2), effects=FLAT), dots)
    data = group_totals.collect(*opened)
    pristine, corrupt = data.panels[0].lines
    assert pristine.center == pytest.approx((0.0, 0.9, 0.2))
    assert corrupt.center == pytest.approx((0.0, 10 / 300, 6.0))
    assert "ahead, per example, from step 20" in group_totals.caption(data)[0]


def test_adjusted_overfit_and_proper_accuracy(tmp_path: Path) -> None:
    levels = (MEAN, {"name": "winsorized", "level": 26}, {"name": "winsorized", "level": 7})
    data = winsorizing_grid.collect(*_open(tmp_path, grid(corruptions=(NONE, *HALF), aggregators=levels), FLAT))
    clean, noisy = data.rows
    assert (clean.proper, noisy.proper) == (None, pytest.approx(0.55))
    # 0.8 - (0.5 / 10 + 0.5 x 0.7), and 0.8 - 0.7 without noise; at step 0 both accuracies are 0.1.
    assert noisy.panels[2].lines[0].center == pytest.approx((0.0, 0.4, 0.4, 0.4))
    assert clean.panels[2].lines[0].center[1:] == pytest.approx((0.1, 0.1, 0.1))
    assert [one.key for one in noisy.panels[0].lines] == ["mean (level 0)", "winsorized 7 %", "winsorized 26 %"]
    assert "(above the proper 0.550)" in winsorizing_grid.caption(data)[1]


@pytest.mark.parametrize(("noise", "expected"), [(0.0, 1.0), (0.25, 0.775), (0.75, 0.325), (1.0, 0.1)])
def test_proper_accuracy(noise: float, expected: float) -> None:
    assert proper_level(noise, 10) == pytest.approx(expected)


def test_learning_curves_need_two_label_noises(tmp_path: Path) -> None:
    data = learning_curves.collect(*_open(tmp_path / "two", grid(corruptions=(NONE, *HALF)), FLAT))
    assert [one.key for one in data.rows[0][0].lines] == ["original labels", "50 % permuted labels"]
    assert data.proper == (((("permuted-labels", 0.5), pytest.approx(0.55)),),)
    with pytest.raises(Skipped, match="two shares"):
        learning_curves.collect(*_open(tmp_path / "one", grid(corruptions=(NONE,)), FLAT))


def _with_triple(*, epochs: int = 48) -> tuple[TrialSpec, ...]:
    """The usual batch under four rules, and three times the batch under two."""
    rolling_mean = {"name": "rolling-mean-of-3"}
    usual = grid(corruptions=HALF, aggregators=(MEAN, MEDIAN, ROLLING, rolling_mean))
    more = (spec("mlp", HALF[0], a, s, batch_size=3 * BATCH, epochs=epochs) for a in (MEAN, MEDIAN) for s in range(3))
    return (*usual, *more)


def test_three_batches_are_compared_at_equal_updates(tmp_path: Path) -> None:
    store, sweep = _open(tmp_path, _with_triple(), FLAT)
    (row,) = triple_batch.collect(store, sweep).rows
    assert [one.key for one in row.panels[0].lines] == [
        "mean, batch 32",
        "median-of-3, batch 32",
        "rolling-median-of-3, batch 32",
        "rolling-mean-of-3, batch 32",
        "mean, batch 96",
        "median-of-3, batch 96",
    ]
    assert row.said[0].startswith("the median of three batches against their mean: -0.300")
    assert row.said[2].startswith("averaging three times as many examples against one batch: 0 ")
    (block,) = noise_and_test.collect(store, sweep).blocks  # the repeat is not drawn again
    assert "batch_size 32" in block.accuracy[0].row


def test_other_lengths_are_no_triple(tmp_path: Path) -> None:
    store, sweep = _open(tmp_path, _with_triple(), FLAT)
    longer = replace(sweep, trials=sweep.trials.with_columns(steps=pl.col("steps") * (pl.col("batch_size") // 32)))
    assert len(tripled(sweep.contexts())) == 1
    assert tripled(longer.contexts()) == []
    with pytest.raises(Skipped, match="three times that batch"):
        triple_batch.collect(store, longer)


def test_noise_and_test_has_epochs_and_four_splits(tmp_path: Path) -> None:
    data = noise_and_test.collect(*_open(tmp_path, grid(corruptions=(NONE, *HALF)), quick((0, 125), accuracy=_flat)))
    (block,) = data.blocks
    first, second = block.accuracy
    assert [one.key for one in second.lines] == [
        "original labels: pristine",
        "50 % permuted labels: pristine",
        "50 % permuted labels: corrupt",
    ]
    assert first.lines[0].x == (0.0, 1.0)
    assert [one.center[1] for one in second.lines] == pytest.approx([0.9, 0.9, 0.9])


def test_the_long_run_waits_until_plain_averaging_has_memorised(tmp_path: Path) -> None:
    specs = grid(corruptions=HALF, aggregators=(MEAN, MEDIAN))
    data = long_run.collect(*_open(tmp_path / "long", specs, FLAT))
    assert data.rows[0].said[0].startswith("mean: half predicted at step 10, 0.900")
    assert [one.key for one in data.rows[0].panels[0].lines] == ["mean", "median-of-3"]

    def early(cell: Cell, step: int, split: str) -> float:
        return min(_flat(cell, step, split), 0.7)

    with pytest.raises(Skipped, match="look alike"):
        long_run.collect(*_open(tmp_path / "short", specs, quick(accuracy=early)))


def test_noise_images_by_level_and_coherence_of_plain_averaging_only(tmp_path: Path) -> None:
    noise = {"name": "gaussian-pixels", "fraction": 1.0}
    specs = grid(corruptions=(NONE, noise), aggregators=(MEAN, {"name": "winsorized", "level": 7}))
    effects = quick(accuracy=_flat, coherence=_by_aggregator)
    data = random_pixels.collect(*_open(tmp_path, specs, effects))
    ((original, noisy),) = data.blocks
    assert (original.panels[0].title, noisy.panels[0].title) == ("original images", "gaussian pixels")
    assert [one.key for one in noisy.panels[0].lines] == ["mean", "winsorized 7 %"]
    (coherence,) = noisy.panels[2].lines
    assert coherence.center == pytest.approx((2.0, 2.0, 2.0))


def test_the_best_rate_is_chosen_by_pristine_training_labels(tmp_path: Path) -> None:
    """Made so that test accuracy, corrupt accuracy and pristine accuracy each prefer another rate."""
    best = {"pristine": 0.1, "test": 0.3, "corrupt": 0.03, "train": 0.3}
    specs = []
    for rate in (0.3, 0.03, 0.1):
        specs += [spec("mlp", HALF[0], MEAN, s, optimizer={"name": "sgd", "lr": rate}) for s in range(3)]
    store = write(tmp_path, MadeUp(specs=tuple(specs), effects=FLAT))
    opened = Store(store)
    sweep = open_sweep(opened, "demo")
    for identity, rate in zip(sweep.trial_ids, (r for r in (0.3, 0.03, 0.1) for _ in range(3)), strict=True):
        path = part_path(store, "evals", identity, 0)
        high = pl.col("split").replace_strict(best) == rate
        pl.read_parquet(path).with_columns(accuracy=pl.when(high).then(0.8).otherwise(0.4)).write_parquet(path)
    (row,) = learning_rate.collect(opened, sweep).rows
    assert row.best == {"mean": 0.1}
    assert row.panels[0].lines[0].x == (0.03, 0.1, 0.3)
    assert row.panels[0].lines[0].center == pytest.approx((0.8, 0.4, 0.4))
    assert row.said == ("mean at 0.1: corrupt 0.400, pristine 0.800, test 0.400 (n = 3)",)


@pytest.mark.parametrize("name", NEW)
def test_a_plain_sweep_feeds_the_figure_or_says_why_not(tmp_path: Path, name: str) -> None:
    """Original labels, plain averaging, one seed: nothing that these figures are about."""
    store, sweep = _open(tmp_path, grid(corruptions=(NONE,), seeds=1), FLAT)
    module: ModuleType = __import__(FIGURES[name].module, fromlist=["collect"])
    with pytest.raises(Skipped, match=r"^\w.* \w+"):
        module.collect(store, sweep)


@pytest.mark.slow
def test_every_new_figure_draws(tmp_path: Path) -> None:
    pixels = {"name": "gaussian-pixels", "fraction": 0.5}
    winsorized = {"name": "winsorized", "level": 7}
    specs = (
        *_with_triple(),
        *grid(corruptions=(NONE,)),
        *grid(corruptions=(pixels,), aggregators=(MEAN, winsorized)),
        *grid(corruptions=(*HALF, NONE), aggregators=(winsorized,)),
        *(spec("mlp", HALF[0], MEAN, s, optimizer={"name": "sgd", "lr": 0.3}) for s in range(3)),
    )
    dots = {0: (90.0, 10.0), 10: (9.0, -1.0), 12: (-100.0, 110.0), 20: (25.0, 75.0)}
    store, sweep = measured(tmp_path, MadeUp(specs=specs, effects=FLAT), dots)
    for name in NEW:
        drawn = draw_one(name, FIGURES[name], store, sweep)
        assert isinstance(drawn, Drawn), name
        assert drawn.frame.columns[:6] == ["panel", "row", "condition", "seed", "point", "x"]
        assert len(drawn.png) > 30_000
        assert all(drawn.caption)
        assert drawn.svg.rstrip().endswith(b"</svg>")
