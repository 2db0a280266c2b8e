"""Figures that are a grid of line panels: what they hold, and one way to draw them.

The kind of a panel says what its y axis is: `share` (0 to 1), `coherence` (log, with the orthogonal limit), `positive`
(log), `signed` (linear through 0 and logarithmic far from it) or `plain`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from analysis.curves import Line, Panel, tidy
from analysis.drawing import draw_line, finish, last_x, log_axis, orthogonal_limit, share_axis, step_axis, wrapped
from analysis.grids import close
from analysis.theme import GREY, Style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

StyleOf = Callable[[Line], Style]


@dataclass(frozen=True)
class Grid:
    """rows: of panels, of any lengths; foot: what a reader must know beside the picture."""

    rows: tuple[tuple[Panel, ...], ...]
    foot: str

    @property
    def panels(self) -> tuple[Panel, ...]:
        """All panels, row by row."""
        return tuple(panel for row in self.rows for panel in row)


def grid_frame(data: Grid) -> pl.DataFrame:
    """The data of a grid, tidy; row and panel as drawn."""
    return tidy(data.panels)


@dataclass(frozen=True)
class Look:
    """How a grid is drawn. x: `step` (log), `epoch` (log) or `linear`; x_label; size of a panel in inches; legend: in
    the first panel of each `row`, in `every` panel, once `above` all panels, or in `none`."""

    x: str = "step"
    x_label: str = "step (updates made)"
    width: float = 4.0
    height: float = 2.7
    legend: str = "row"
    strength: float = 0.7


def draw_grid(figure: "Figure", data: Grid, title: str, style: StyleOf, look: Look = Look()) -> None:
    """Row titles stand left of the first panel of each row; panels of a row that are of one kind share its limits."""
    columns = max(len(row) for row in data.rows)
    figure.set_size_inches(max(6.5, look.width * columns + 0.8), 1.3 + look.height * len(data.rows))
    axes_grid = figure.subplots(len(data.rows), columns, squeeze=False)
    for number, (axes_row, panels) in enumerate(zip(axes_grid, data.rows, strict=True)):
        for axes in axes_row[len(panels) :]:
            axes.set_visible(False)
        for column, (axes, panel) in enumerate(zip(axes_row, panels, strict=False)):
            alike = [each for each in panels if each.kind == panel.kind]
            _draw(axes, panel, alike, style, look)
            _x_axis(axes, panel, data.panels, look, label=number == len(data.rows) - 1)
            axes.set_title(wrapped(panel.title + (f" ({panel.note})" if panel.note else ""), look.width))
            here = {"row": column == 0, "every": True}
            if panel.lines and here.get(look.legend, False):
                axes.legend(loc="best")
        if panels:
            axes_row[0].set_ylabel(panels[0].row)
    if look.legend == "above":
        close(figure, title, data.foot, data.panels, style)
    else:
        finish(figure, title, data.foot)


def _draw(axes: "Axes", panel: Panel, alike: Sequence[Panel], style: StyleOf, look: Look) -> None:
    for one in panel.lines:
        draw_line(axes, one, style(one), strength=look.strength)
    if panel.kind == "share":
        share_axis(axes, None)
    elif panel.kind in ("coherence", "positive"):
        log_axis(axes, alike, reach=max((y for each in alike for _, y in each.marks), default=1.0))
    elif panel.kind == "signed":
        _signed_axis(axes, alike)
    if panel.kind == "coherence":
        orthogonal_limit(axes)
    low, high = axes.get_ylim()
    for words, y in panel.marks:
        if low <= y <= high:
            axes.axhline(y, color=GREY, linewidth=1, linestyle=(0, (4, 2)))
            place = axes.get_yaxis_transform()
            axes.text(0.99, y, words, transform=place, ha="right", va="bottom", fontsize=7, color=GREY)


def _signed_axis(axes: "Axes", panels: Sequence[Panel]) -> None:
    """Through 0, spanning the centres of all panels (bands may leave the frame); logarithmic far from 0 where sizes
    differ much."""
    from matplotlib.ticker import FuncFormatter

    centers = np.array([y for panel in panels for one in panel.lines for y in one.center if y is not None])
    axes.axhline(0, color=GREY, linewidth=0.8)
    sizes = np.abs(centers[centers != 0])
    if not sizes.size:
        return
    if sizes.max() > 100 * np.quantile(sizes, 0.2):
        threshold = float(10 ** np.ceil(np.log10(np.quantile(sizes, 0.2))))
        axes.set_yscale("symlog", linthresh=threshold, linscale=0.5)
        axes.minorticks_off()
        axes.yaxis.set_major_formatter(
            FuncFormatter(lambda value, _: f"{value:,.0f}" if abs(value) >= 1 else f"{value:g}")
        )
        axes.set_ylim(min(centers.min() * 2, -threshold / 2), max(centers.max() * 2, threshold / 2))
        return
    room = 0.15 * (centers.max() - min(centers.min(), 0))
    axes.set_ylim(min(centers.min(), 0) - room, max(centers.max(), 0) + room)


def _x_axis(axes: "Axes", panel: Panel, panels: tuple[Panel, ...], look: Look, *, label: bool) -> None:
    if panel.ticks:
        axes.set_xticks([x for x, _ in panel.ticks], [words for _, words in panel.ticks])
        axes.set_xlim(panel.ticks[0][0] - 0.3, panel.ticks[-1][0] + 0.3)
    elif look.x == "step":
        step_axis(axes, last_x(panels), label=False)
    elif look.x == "epoch":
        axes.set_xscale("symlog", linthresh=0.1, linscale=0.4)
        last = last_x(panels)
        ticks = [0.0, *(10.0**k for k in range(-1, 1 + int(np.floor(np.log10(max(last, 1))))))]
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
        axes.set_xlim(-0.02, last * 1.1)
    elif panel.lines:
        axes.set_xlim(0, last_x((panel,)) * 1.02)
    if label:
        axes.set_xlabel(look.x_label)
