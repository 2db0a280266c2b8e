"""Grids of panels with one legend: what figures of many small curves share."""

import textwrap
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from analysis.curves import Line, Panel
from analysis.drawing import draw_line, finish, share_axis
from analysis.theme import GREY, Style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

StyleOf = Callable[[Line], Style]
Rows = Sequence[Sequence[Panel]]
Entry = tuple[str, Style]
"""A line of a legend."""


def flat(rows: Rows) -> tuple[Panel, ...]:
    """All panels, row by row."""
    return tuple(panel for row in rows for panel in row)


def grid_of(
    figure: "Figure", rows: int, columns: int, *, width: float = 4.2, height: float = 2.7
) -> list[list["Axes"]]:
    """Axes for a grid of panels, sized for print; `width` and `height` of one, in inches."""
    figure.set_size_inches(max(6.5, 0.8 + width * columns), 1.5 + height * rows)
    return [list(row) for row in figure.subplots(rows, columns, squeeze=False)]


def draw_lines(axes: "Axes", panel: Panel, style: StyleOf, *, strength: float = 0.6, heading: bool = True) -> None:
    """The lines of a panel and its title."""
    for one in panel.lines:
        draw_line(axes, one, style(one), strength=strength)
    if heading:
        axes.set_title(panel.title, fontweight="normal")


def close(
    figure: "Figure", title: str, foot: str, panels: Iterable[Panel], style: StyleOf, extra: Sequence[Entry] = ()
) -> None:
    """Title, one legend for all panels below it (each condition once, with its number of seeds), and the footer."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=look.color, linestyle=look.dashes, marker=look.marker, label=label)  # type: ignore[arg-type]
        for label, look in (*_entries(panels, style), *extra)
    ]
    room = figure.get_figwidth() * 13
    longest = max((len(str(handle.get_label())) for handle in handles), default=1) + 9
    columns = max(1, min(len(handles), int(room / longest)))
    legend = figure.legend(
        handles=handles, loc="outside upper left", ncols=columns, handlelength=3.2, alignment="left", borderpad=0.2
    )
    # Two things outside the axes would lie upon each other: the title of the figure is that of the legend.
    legend.set_title(title, prop=FontProperties(size=12, weight="bold"))
    finish(figure, "", foot)


def _entries(panels: Iterable[Panel], style: StyleOf) -> list[Entry]:
    seen: dict[str, tuple[Style, set[int]]] = {}
    for panel in panels:
        for one in panel.lines:
            seen.setdefault(one.key, (style(one), set()))[1].add(len(one.seeds))
    return [(f"{key} (n = {_counts(counts)})", look) for key, (look, counts) in seen.items()]


def _counts(counts: set[int]) -> str:
    return str(min(counts)) if len(counts) == 1 else f"{min(counts)}-{max(counts)}"


REFERENCE = Style(GREY, "", "--")
"""Lines that are no measurement."""


def row_label(axes: "Axes", words: str, unit: str, width: int = 30) -> None:
    """What a row shows, wrapped, and the unit of its y axis."""
    axes.set_ylabel("\n".join([*textwrap.wrap(words, width), unit]))


def shares(axes: "Axes", level: float | None, proper: float | None = None) -> None:
    """A share axis with the level of guessing, and the proper accuracy dashed."""
    share_axis(axes, None)
    if level is not None:
        axes.axhline(level, color=GREY, linewidth=1, linestyle=(0, (1, 2)))
        place = axes.get_yaxis_transform()
        look = {"ha": "right", "va": "top", "fontsize": 7, "color": GREY}
        axes.text(0.995, level - 0.02, f"guessing ({level:g})", transform=place, **look)  # type: ignore[arg-type]
    if proper is not None:
        axes.axhline(proper, color=GREY, linewidth=1.2, linestyle="--")


def blank(axes: "Axes", words: str) -> None:
    """An empty panel that says why."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", color=GREY)
