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
