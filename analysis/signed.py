"""Strokes of figures about groups of examples: null bands, and axes for values of both signs over decades."""

from typing import TYPE_CHECKING

from analysis.curves import Line, Panel, array
from analysis.shares import Null
from analysis.theme import GREY, SPLITS, Style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINEAR = 10.0
"""Values within this of 0 are drawn on a linear scale."""

NULL_ENTRY = ("95 % of the null worlds", Style("#b5b5b5", "s", ""))


def group_style(one: Line) -> Style:
    """Pristine and corrupt keep their look."""
    return SPLITS[one.key]


def draw_nulls(axes: "Axes", nulls: tuple[Null, ...]) -> None:
    """A grey band per group, edged in the colour of the group."""
    for null in nulls:
        x, low, high = array(null.x), array(null.low), array(null.high)
        axes.fill_between(x, low, high, color="#b5b5b5", alpha=0.55, linewidth=0)
        for edge in (low, high):
            name = f"_null worlds: {null.group}"  # the legend says the dots once for all
            axes.plot(x, edge, color=SPLITS[null.group].color, linewidth=0.7, linestyle=":", label=name)


def signed_axis(axes: "Axes", panel: Panel) -> None:
    """Values of both signs over decades: linear within 10 of 0, logarithmic beyond; plain powers of ten."""
    from matplotlib.ticker import FuncFormatter, SymmetricalLogLocator

    axes.set_yscale("symlog", linthresh=LINEAR, linscale=0.6)
    axes.yaxis.set_major_locator(SymmetricalLogLocator(base=10, linthresh=LINEAR))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.axhline(0, color=GREY, linewidth=0.8)
    values = [y for one in panel.lines for row in one.seed_y for y in row if y is not None]
    if values:
        axes.set_ylim(min(min(values) * 1.6, -LINEAR), max(max(values) * 1.6, LINEAR))
