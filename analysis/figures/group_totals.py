"""What pristine and corrupt examples have contributed up to a step, per example: the integral of the mean of g . S."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from analysis.coherence import plain
from analysis.curves import Panel, array, tidy
from analysis.drawing import footer, intervals, last_x, step_axis
from analysis.errors import Skipped
from analysis.families import architectures
from analysis.grids import close, draw_lines, grid_of, row_label
from analysis.learning import partly_corrupt
from analysis.shares import Null, lines_of, null_rows, nulls_of, readings, single_steps
from analysis.signed import NULL_ENTRY, draw_nulls, group_style, signed_axis
from analysis.store import Store
from analysis.sweeps import Sweep
from analysis.theme import number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "What pristine and corrupt examples have contributed so far (mean aggregator)"
PUBLISHED = (
    "Known here from secondary notes only: as reported there, Chatterjee (2020) accumulates the contribution per"
    " example of each group over the steps and compares it with worlds in which the tags were dealt at random."
)
ROW = "cumulative"


@dataclass(frozen=True)
class Data:
    """One panel per model and label noise, and the null bands of each."""

    panels: tuple[Panel, ...]
    nulls: tuple[tuple[Null, ...], ...]
    foot: str


def collect(store: Store, sweep: Sweep) -> Data:
    """i of each group at every measured step; raises Skipped where nobody measured it."""
    panels, nulls, used = [], [], []
    for whole in map(plain, sweep.contexts()):
        for label, chosen in partly_corrupt(whole):
            points = single_steps(readings(store, chosen.trials), "cumulative")
            if points.is_empty():
                continue
            panels.append(Panel(f"{whole.label}, {label}", lines_of(points), row=ROW))
            nulls.append(nulls_of(points))
            used.append(whole)
    if not panels:
        raise Skipped("no completed trial with the mean aggregator and partly corrupted labels has group-shares")
    more = "Shaded in grey: 95 % of the null worlds, mean over seeds. Integral by trapezoids between measured steps."
    return Data(tuple(panels), tuple(nulls), footer(sweep, intervals(tuple(panels)), architectures(used), more))


def frame(data: Data) -> pl.DataFrame:
    """The data of the figure, tidy; null bands as conditions of their own."""
    curves = tidy(data.panels)
    bands = [
        null_rows(panel.title, panel.row, nulls, curves.schema)
        for panel, nulls in zip(data.panels, data.nulls, strict=True)
    ]
    return pl.concat([curves, *bands])


def draw(data: Data, figure: "Figure") -> None:
    """One panel per label noise."""
    (axes_row,) = grid_of(figure, 1, len(data.panels), width=4.4, height=3.9)
    for axes, panel, nulls in zip(axes_row, data.panels, data.nulls, strict=True):
        draw_nulls(axes, nulls)
        draw_lines(axes, panel, group_style)
        step_axis(axes, last_x(data.panels))
        signed_axis(axes, panel)
        axes.set_title(panel.title)
    row_label(axes_row[0], "sum over steps of the group's", "mean g·S (squared gradient units)", width=40)
    close(figure, TITLE, data.foot, data.panels, group_style, (NULL_ENTRY,))


def caption(data: Data) -> tuple[str, ...]:
    """What is seen in these data, a sentence or two per panel."""
    return tuple(f"{panel.title}: {_said(panel)}." for panel in data.panels)


def _said(panel: Panel) -> str:
    lines = {one.key: one for one in panel.lines}
    if set(lines) != {"pristine", "corrupt"}:
        return f"only {', '.join(lines)} examples in the probe"
    pristine, corrupt = lines["pristine"], lines["corrupt"]
    above = array(pristine.center) >= array(corrupt.center)
    steps = array(pristine.x)
    overtaken = steps[1:][~above[1:]]
    crossing = (
        "pristine examples stay ahead, per example, throughout"
        if not overtaken.size
        else f"corrupt examples are ahead, per example, from step {overtaken[0]:,.0f}"
    )
    return (
        f"{crossing}; at step {steps[-1]:,.0f} pristine {number(pristine.center[-1])}, corrupt"
        f" {number(corrupt.center[-1])} (n = {len(pristine.seeds)})"
    )
