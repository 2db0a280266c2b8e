import json

import polars as pl
import pytest

from analysis.errors import Skipped
from analysis.query import (
    choice_label,
    last_mean,
    log_window,
    noise_label,
    ratio_of_sums,
    rescaled,
    steps_to,
    with_spec,
)


def test_windows_keep_early_steps_apart_and_open_at_powers_of_ten() -> None:
    steps = pl.DataFrame({"step": [0, 1, 9, 10, 15, 16, 99, 100, 158, 159, 1000]})
    windows = steps.select(log_window())["window"].to_list()
    assert windows == [0, 1, 9, 10, 10, 11, 14, 15, 15, 16, 20]
    assert steps.select(log_window(1, alone=False))["window"].to_list() == [0, 0, 0, 10, 10, 10, 10, 11, 11, 11, 12]


def test_windows_average_sums_and_not_ratios() -> None:
    rows = pl.DataFrame({"seed": [0, 0], "step": [10, 12], "s2": [10.0, 2.0], "q": [1.0, 3.0], "n": [5, 5]})
    pooled = ratio_of_sums(rows, ["seed"]).row(0, named=True)
    assert pooled["m_coherence"] == 3.0  # the mean of the ratios would be 5.33
    assert pooled["alpha_unbiased"] == 0.5
    assert (pooled["step"], pooled["probes"], pooled["n"]) == (11.0, 2, 5)


def test_rows_without_gradient_are_left_out() -> None:
    rows = pl.DataFrame({"seed": [0, 0], "step": [1, 2], "s2": [0.0, 4.0], "q": [0.0, 2.0], "n": [5, 5]})
    assert ratio_of_sums(rows, ["seed"])["m_coherence"].to_list() == [2.0]


def test_different_sample_sizes_are_never_pooled() -> None:
    rows = pl.DataFrame({"seed": [0, 0], "step": [1, 2], "s2": [1.0, 1.0], "q": [1.0, 1.0], "n": [5, 6]})
    with pytest.raises(Skipped, match=r"\[5, 6\]"):
        ratio_of_sums(rows, ["seed"])


def test_rescaling_keeps_negative_values() -> None:
    rows = pl.DataFrame({"alpha_unbiased": [0.5, -0.01]})
    assert rows.select(rescaled(101)).to_series().to_list() == [51.0, 0.0]


def test_last_mean_takes_the_last_three_defined() -> None:
    rows = pl.DataFrame(
        {"trial_id": ["a"] * 5, "split": ["test"] * 5, "step": [4, 0, 1, 2, 3], "accuracy": [None, 9.0, 1.0, 2.0, 6.0]}
    )
    assert last_mean(rows)["accuracy"].to_list() == [3.0]


def test_steps_to_half_is_null_where_it_was_not_reached() -> None:
    rows = pl.DataFrame(
        {
            "trial_id": ["a", "a", "a", "b", "b"],
            "split": ["test"] * 5,
            "step": [0, 5, 10, 0, 20],
            "accuracy": [0.1, 0.5, 0.4, 0.1, 0.2],
        }
    )
    assert steps_to(rows).rows() == [("a", "test", 5, 10), ("b", "test", None, 20)]


def test_labels_of_choices() -> None:
    assert choice_label({"name": "winsorized", "level": 3.0}) == "winsorized 3 %"
    assert choice_label({"name": "mlp", "widths": [64, 64]}) == "MLP 64-64"
    assert choice_label({"name": "elsewhere", "depth": 4}) == "elsewhere depth 4"
    assert noise_label({"name": "none"}) == "original labels"
    assert noise_label({"name": "uniform-labels", "fraction": 0.25}) == "25 % uniform labels"
    assert noise_label({"name": "shuffled-pixels", "per": "image"}) == "shuffled pixels, per image"


def _frame(*measures: dict) -> pl.DataFrame:
    specs = [{"model": {"name": "mlp"}, "seed": 0, "version": 1, "measure": measure} for measure in measures]
    return with_spec(pl.DataFrame({"spec": [json.dumps(one) for one in specs]}))


def test_schedules_split_a_context_only_where_trials_would_be_mistaken_for_each_other() -> None:
    one = _frame({"probe": {"examples": 100}})
    assert "schedule" not in one["context"][0]
    two = _frame({"probe": {"examples": 100}}, {"probe": {"examples": 100, "schedule": "1-2-5"}})
    assert two["context"].n_unique() == 2
    assert one.row(0, named=True)["noise"] == 0.0
    assert one.row(0, named=True)["aggregator_label"] == "mean"
