"""Shared strokes of the figures: lines with bands, step axes, footers."""

import textwrap
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from analysis.curves import Line, Panel, array
from analysis.stats import KIND_WORDS
from analysis.sweeps import EARLY, Sweep
from analysis.theme import GREY, Style, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LISTED = 3
THIN_LINES = 12
"""Seeds that are drawn one by one; of more, the band says all."""


def draw_line(axes: "Axes", one: Line, style: Style, *, strength: float = 1.0, banded: bool = True) -> None:
    """Seeds thin, centre thick with markers, interval as a band; `strength` below 1 fades seeds and band."""
    _draw_seeds(axes, one, style.color, 0.35 * strength)
    x, low, high = array(one.x), array(one.low), array(one.high)
    if banded and one.kind != "line":
        axes.fill_between(x, low, high, color=style.color, alpha=0.16 * strength, linewidth=0)
    axes.plot(
        x,
        array(one.center),
        color=style.color,
        linestyle=style.dashes,
        marker=style.marker,
        markevery=max(1, len(x) // 8),
        label=f"{one.key} (n = {len(one.seeds)})",
    )


def _draw_seeds(axes: "Axes", one: Line, color: str, alpha: float) -> None:
    """All seeds as one collection: drawing each as a line of its own takes several times as long."""
    from matplotlib.collections import LineCollection

    if not 0 < len(one.seed_x) <= THIN_LINES:
        return
    paths = [np.column_stack((array(xs), array(ys))) for xs, ys in zip(one.seed_x, one.seed_y, strict=True)]
    known = [path[np.isfinite(path).all(axis=1)] for path in paths]
    axes.add_collection(LineCollection(paths, colors=color, alpha=alpha, linewidths=0.7))
    points = np.concatenate(known)
    if len(points):
        axes.update_datalim(points)
        axes.autoscale_view()


def step_axis(axes: "Axes", last: float, label: bool = True) -> None:
    """Steps on a scale that is linear below 1 and logarithmic above, so that step 0 is on it."""
    axes.set_xscale("symlog", linthresh=1, linscale=0.4)
    ticks = [0.0] + [10.0**k for k in range(int(np.floor(np.log10(max(last, 1)))) + 1)]
    axes.set_xticks(ticks, [f"{tick:,.0f}" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlim(-0.15, max(last, 1) * 1.15)
    if label:
        axes.set_xlabel("step (updates made)")


def log_axis(axes: "Axes", panels: Iterable[Panel], reach: float = 1.0) -> None:
    """Logarithmic y axis with plain numbers that spans every seed of the panels, and `reach`; wider bands run out of
    the frame."""
    from matplotlib.ticker import FuncFormatter, LogLocator

    axes.set_yscale("log")
    values = [
        y for panel in panels for one in panel.lines for row in one.seed_y for y in row if y is not None and y > 0
    ]
    low, high = min([*values, 1.0]) / 1.8, max([*values, reach, 1.0]) * 1.8
    axes.set_ylim(low, high)
    subs = (1.0,) if high / low > 50 else (1.0, 2.0, 5.0)
    axes.yaxis.set_major_locator(LogLocator(base=10, subs=subs))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(FuncFormatter(lambda _value, _: ""))


def share_axis(axes: "Axes", chance: float | None, *, above: bool = False) -> None:
    """Shares from 0 to 1, with the level of guessing, named under its line or above it."""
    axes.set_ylim(-0.03, 1.03)
    if chance is not None:
        axes.axhline(chance, color=GREY, linewidth=1, linestyle=(0, (1, 2)))
        place = axes.get_yaxis_transform()
        words = f"guessing ({chance:g})"
        x, y, side = (0.2, chance + 0.01, "bottom") if above else (0.005, chance - 0.015, "top")
        axes.text(x, y, words, transform=place, va=side, fontsize=7, color=GREY)


def wrapped(title: str, width: float) -> str:
    """A title broken to the width of its panel in inches."""
    # Non-breaking spaces keep `m = 1,000` in one piece.
    return "\n".join(textwrap.wrap(title.replace(" = ", "\u00a0=\u00a0"), int(width * 10.5)))


def orthogonal_limit(axes: "Axes") -> None:
    """The value of pairwise orthogonal gradients."""
    axes.axhline(1, color=GREY, linewidth=1, linestyle=(0, (1, 2)))
    place = axes.get_yaxis_transform()
    axes.text(0.995, 0.96, "orthogonal gradients (1)", transform=place, ha="right", va="top", fontsize=7, color=GREY)


def last_x(panels: tuple[Panel, ...]) -> float:
    """Largest x of any line."""
    return max((x for panel in panels for one in panel.lines for x in one.x if x is not None), default=1.0)


def intervals(panels: tuple[Panel, ...]) -> str:
    """Which intervals the bands are, in words."""
    kinds = sorted({one.kind for panel in panels for one in panel.lines})
    return "; ".join(KIND_WORDS[kind] for kind in kinds)


def footer(sweep: Sweep, intervals_drawn: str, contexts: int, *more: str) -> str:
    """What a reader must know beside the picture: intervals, pairing, missing cells.

    intervals_drawn: of the bands of lines; empty where there are none.
    """
    bands = f"Thin lines: seeds, up to {THIN_LINES}; band: {intervals_drawn} (may leave the frame)."
    parts = [*([bands] if intervals_drawn else []), *more]
    if sweep.scale:
        parts.append(f"Size: {sweep.scale}.")
    if contexts > 1:
        parts.append("Across architectures initialisation is not paired.")
    planned = sweep.planned.height
    if not sweep.missing:
        parts.append(f"No missing cells: {planned} of {planned} trials completed.")
    else:
        listed = "; ".join(cell.label for cell in sweep.missing[:_LISTED])
        rest = len(sweep.missing) - _LISTED
        early = sum(cell.state == EARLY for cell in sweep.missing)
        why = f" ({early} {EARLY})" if early else ""
        more_of_them = f"; and {rest} more." if rest > 0 else "."
        parts.append(f"Missing {len(sweep.missing)} of {planned} trials{why}: {listed}{more_of_them}")
    return " ".join(parts)


def finish(figure: "Figure", title: str, foot: str) -> None:
    """Title above, footer below, both wrapped to the width of the figure."""
    width = int(figure.get_figwidth() * 15)
    if title:
        title = "\n".join(textwrap.wrap(title, int(figure.get_figwidth() * 9)))
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
    figure.supxlabel("\n".join(textwrap.wrap(foot, width)), x=0.01, ha="left", fontsize=7.5, color=GREY)


def describe(value: float | None, low: float | None, high: float | None) -> str:
    """`12.3 [10.1, 14.5]`."""
    return number(value) if low is None or high is None else f"{number(value)} [{number(low)}, {number(high)}]"
