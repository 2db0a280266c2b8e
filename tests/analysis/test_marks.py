"""What is read off a finished figure, against what was drawn."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from analysis.gallery import Drawn
from analysis.marks import POINTS, marks


def panel(draw, **given):
    figure = Figure(figsize=(4, 3), dpi=160, **given)
    axes = figure.add_subplot()
    draw(axes)
    figure.draw_without_rendering()
    found = marks(figure)
    assert figure.dpi == 160
    assert (found["width"], found["height"]) == (288.0, 216.0)
    return found["panels"][0] if found["panels"] else None


def test_a_line_with_its_band_says_its_values_and_places():
    def draw(axes):
        axes.set(title="panel", xlabel="step", ylabel="alpha", xlim=(0, 10), ylim=(0, 1))
        axes.fill_between([0, 5, 10], [0.1, 0.2, 0.3], [0.3, 0.4, 0.5], color="#0072b2", alpha=0.2)
        axes.plot([0, 5, 10], [0.2, 0.3, 0.4], color="#0072b2", label="mean")

    found = panel(draw)
    assert (found["title"], found["x"], found["y"]) == ("panel", "step", "alpha")
    (series,) = found["series"]
    assert (series["name"], series["color"]) == ("mean", "#0072b2")
    assert [row[2:] for row in series["points"]] == [[0, 0.2, 0.1, 0.3], [5, 0.3, 0.2, 0.4], [10, 0.4, 0.3, 0.5]]
    left, top, width, height = found["box"]
    for x, row in zip((0, 0.5, 1), series["points"], strict=True):
        assert row[0] == pytest.approx(left + x * width, abs=0.2)
        assert row[1] == pytest.approx(top + (1 - row[3]) * height, abs=0.2)


def test_two_lines_of_a_colour_keep_their_own_bands():
    def draw(axes):
        for shift in (0.0, 1.0):
            axes.fill_between([0, 1], [shift, shift], [shift + 0.5] * 2, color="red")
            axes.plot([0, 1], [shift + 0.2] * 2, color="red", label=f"{shift:g}")
        axes.plot([0, 1], [3, 3], color="red", label="bare")

    first, second, bare = panel(draw)["series"]
    assert first["points"][0][4:] == [0, 0.5]
    assert second["points"][0][4:] == [1, 1.5]
    assert bare["points"][0][4:] == [None, None]


def test_error_bars_are_intervals():
    def draw(axes):
        axes.errorbar([1, 2], [3.0, 4.0], yerr=[[1, 2], [0.5, 0.25]], fmt="o", label="bars")

    (series,) = panel(draw)["series"]
    assert series["name"] == "bars"
    assert [row[2:] for row in series["points"]] == [[1, 3, 2, 3.5], [2, 4, 2, 4.25]]


@pytest.mark.parametrize("flat", [False, True])
def test_bars_end_where_their_value_is_and_named_places_have_names(flat):
    def draw(axes):
        (axes.barh if flat else axes.bar)([0, 1], [2.0, 5.0], label="count")
        (axes.set_yticks if flat else axes.set_xticks)([0, 1], ["mean", "median of 3"])

    found = panel(draw)
    (series,) = found["series"]
    values = [row[2 if flat else 3] for row in series["points"]]
    assert values == [2, 5]
    assert found["y_names" if flat else "x_names"] == {"0": "mean", "1": "median of 3"}
    assert found["x_names" if flat else "y_names"] == {}


def test_what_is_no_data_or_outside_is_left_out():
    def draw(axes):
        axes.axhline(0.5)
        axes.plot([0, 1, 2, 50], [0.1, np.nan, 0.3, 0.4], label="kept")
        axes.plot([0, 1], [9, 9], label="above the frame")
        axes.set(xlim=(0, 3), ylim=(0, 1))

    (series,) = panel(draw)["series"]
    assert [row[2] for row in series["points"]] == [0, 2]
    assert panel(lambda axes: axes.axvline(1)) is None


def test_long_series_are_thinned_and_keep_their_ends():
    (series,) = panel(lambda axes: axes.plot(np.arange(5000), np.zeros(5000)))["series"]
    assert len(series["points"]) == POINTS
    assert (series["points"][0][2], series["points"][-1][2]) == (0, 4999)


def test_scattered_points():
    (series,) = panel(lambda axes: axes.scatter([1, 2], [3, 4], color="#123456", label="s"))["series"]
    assert series["color"] == "#123456"
    assert [row[2:4] for row in series["points"]] == [[1, 3], [2, 4]]


def test_every_figure_of_the_demo_has_marks_inside_it(drawn_demo: dict[str, Drawn]):
    for one in drawn_demo.values():
        assert one.marks["panels"], one.name
        for row in (row for p in one.marks["panels"] for s in p["series"] for row in s["points"]):
            assert 0 <= row[0] <= one.marks["width"]
            assert 0 <= row[1] <= one.marks["height"]


@pytest.mark.parametrize("flat", [False, True])
def test_a_stroke_through_a_point_is_its_interval(flat):
    def draw(axes):
        for place, low, middle, high in ((0, 0.1, 0.2, 0.5), (1, 0.6, 0.7, 0.8)):
            ends, mark = ([low, high], [place, place]), (middle, place)
            axes.plot(*(ends if flat else ends[::-1]), color="red", linewidth=2)
            axes.plot(*(mark if flat else mark[::-1]), "o", color="red", label=f"_{place}")
        axes.plot([2, 2], [0.3, 0.4], color="blue")  # of no point

    first, second, bare = panel(draw)["series"]
    assert (first["name"], second["name"], bare["name"]) == ("0", "1", "")
    assert (first["across"], bare["across"]) == (flat, False)
    assert first["points"][0][4:] == [0.1, 0.5]
    assert second["points"][0][4:] == [0.6, 0.8]
    assert len(bare["points"]) == 2


def test_an_interval_goes_only_to_a_point_that_it_holds():
    def draw(axes):
        axes.plot([1, 1], [0.1, 0.3], color="red")
        axes.plot([1], [0.9], "o", color="red")
        axes.plot([2], [0.2], "o", color="red")

    assert [len(one["points"]) for one in panel(draw)["series"]] == [2, 1, 1]
    assert all(one["points"][0][4:] == [None, None] for one in panel(draw)["series"])


def test_a_name_that_the_legend_leaves_out_is_said_and_matplotlibs_own_is_not():
    def draw(axes):
        axes.plot([0, 1], [0, 1], label="_control")
        axes.plot([0, 1], [1, 0])
        axes.plot([0, 1], [1, 1], label="_nolegend_")

    assert [one["name"] for one in panel(draw)["series"]] == ["control", "", ""]


def test_labels_come_from_the_own_row_and_column_and_from_no_other():
    figure = Figure(figsize=(6, 6))
    grid = figure.subplots(3, 2, sharey=True)
    for axes in grid.flat:
        axes.plot([0, 1], [0, 1])
    for row, word in zip(grid, ("MLP", "LeNet"), strict=False):
        row[0].set_ylabel(word)
    grid[2][0].set_xlabel("step")
    grid[0][0].set_title("accuracy")
    grid[0][1].set_title("loss")
    grid[1][1].set_title("own")
    figure.draw_without_rendering()
    panels = marks(figure)["panels"]
    assert [one["y"] for one in panels] == ["MLP", "MLP", "LeNet", "LeNet", "", ""]
    assert [one["x"] for one in panels] == ["step", "", "step", "", "step", ""]
    assert [one["title"] for one in panels] == ["accuracy", "loss", "accuracy", "own", "accuracy", "own"]


def test_every_series_of_the_demo_has_a_name_and_every_axis_a_label(drawn_demo: dict[str, Drawn]):
    for one in drawn_demo.values():
        for shown in one.marks["panels"]:
            assert shown["y"], one.name
            assert shown["x"] or shown["x_names"], (one.name, shown["title"])
            assert shown["title"], one.name
            assert all(series["name"] for series in shown["series"]), (one.name, shown["title"])


def test_labels_of_a_panel_name_its_own_network(drawn_demo: dict[str, Drawn]):
    for one in drawn_demo["coherence-by-layer"].marks["panels"]:
        layers = {series["name"].split()[0] for series in one["series"]}
        assert one["y"].startswith("LeNet" if "conv1" in layers else "MLP")


def test_an_interval_without_length_lies_as_the_others_do():
    def draw(axes):
        for place, low, middle, high in ((0, 0.1, 0.2, 0.5), (1, 0.7, 0.7, 0.7)):
            axes.plot([low, high], [place, place], color="red")
            axes.plot(middle, place, "o", color="red")

    assert [(one["across"], one["points"][0][4:]) for one in panel(draw)["series"]] == [
        (True, [0.1, 0.5]),
        (True, [0.7, 0.7]),
    ]


def test_numbers_at_their_ranks_are_names_and_numbers_at_their_places_are_not():
    def ranked(axes):
        axes.plot([0, 1, 2], [0.1, 0.2, 0.3])
        axes.set_xticks([0, 1, 2], ["1", "2*", "8"])

    assert panel(ranked)["x_names"] == {"0": "1", "1": "2*", "2": "8"}

    def placed(axes):
        axes.plot([0.001, 0.0015, 1000], [0.1, 0.2, 0.3])
        axes.set(xscale="symlog")
        axes.set_xticks([0.001, 1000], ["0.001", "1,000"])

    assert panel(placed)["x_names"] == {}
    assert panel(lambda axes: axes.plot([1e9, 3e9], [0, 1e-9]))["x_names"] == {}
