"""One look for every figure: fonts, colours that colour-blind readers tell apart, names and units.

A noise level and an aggregator keep their colour in every figure; a marker and a dash pattern say the same
again for readers without colour.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

# Okabe & Ito, "Color Universal Design" (2008).
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILLION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
GREY = "#6b6b6b"

RC: dict[str, Any] = {
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.labelsize": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "lines.linewidth": 1.8,
    "lines.markersize": 4.0,
    # Names come from data: a dollar sign must stay a dollar sign.
    "text.parse_math": False,
    "svg.hashsalt": "gradient-coherence",
    "svg.fonttype": "path",
}
DPI = 160


@dataclass(frozen=True)
class Style:
    """How one thing is drawn wherever it appears."""

    color: str
    marker: str
    dashes: str


_NOISE_ANCHORS = ((0.0, BLUE), (0.25, SKY), (0.5, ORANGE), (0.75, PURPLE), (1.0, VERMILLION))
_NOISE_MARKERS = "osD^v"
_DASHES = ("-", "--", "-.", ":")

_AGGREGATORS = {
    "mean": Style(BLACK, "o", "-"),
    "winsorized": Style(GREEN, "s", "--"),
    "median-of-3": Style(PURPLE, "^", "-."),
    "rolling-median-of-3": Style(SKY, "D", ":"),
    "rolling-mean-of-3": Style(ORANGE, "v", (0, (5, 1, 1, 1, 1, 1))),  # type: ignore[arg-type]
}
_OTHERS = (VERMILLION, BLUE, YELLOW, GREY)

DISPLAY = {"mlp": "MLP", "lenet": "LeNet"}
"""Names that read better than their registry key; any other is shown as it is."""

SPLITS = {
    "pristine": Style(BLUE, "o", "-"),
    "corrupt": Style(VERMILLION, "v", "--"),
    "test": Style(GREEN, "s", "-."),
    "train": Style(BLACK, "D", ":"),
}


def noise_style(fraction: float, corruption: str) -> Style:
    """Colour between the anchors at 0, 0.25, 0.5, 0.75 and 1; marker and dashes of the nearest anchor below.

    Other rules than permuting are dotted, since they share the colour of their fraction.
    """
    positions = [position for position, _ in _NOISE_ANCHORS]
    channels = np.array([[int(color[i : i + 2], 16) for i in (1, 3, 5)] for _, color in _NOISE_ANCHORS])
    rgb = [round(float(np.interp(fraction, positions, channels[:, i]))) for i in range(3)]
    nearest = int(np.clip(np.searchsorted(positions, fraction, side="right") - 1, 0, 4))
    dashes = ("-", "--", "--", "-.", "-.")[nearest] if corruption in {"none", "permuted-labels"} else ":"
    return Style("#" + "".join(f"{value:02x}" for value in rgb), _NOISE_MARKERS[nearest], dashes)


def aggregator_style(name: str, variant: int = 0) -> Style:
    """Style of an aggregator by name; further levels of the same one keep its colour and change the dashes."""
    known = _AGGREGATORS.get(name)
    if known is None:
        known = Style(_OTHERS[sum(name.encode()) % len(_OTHERS)], "P", "-")
    return known if variant == 0 else Style(known.color, "sXP*"[variant % 4], _DASHES[variant % 4])


def depth_style(index: int, count: int) -> Style:
    """Layers from input (dark) to output (light), on a ramp that is even in grey too."""
    ramp = ("#00204d", "#31446b", "#666870", "#958f78", "#cbba69")  # cividis at 0, .25, .5, .75 and .85
    place = 0 if count < 2 else round(index * (len(ramp) - 1) / (count - 1))
    return Style(ramp[place], "osD^vPX*"[index % 8], _DASHES[index % 4])


_SIDES = {"easy": Style(BLUE, "o", "-"), "hard": Style(VERMILLION, "v", "--"), "mixed": Style(BLACK, "D", ":")}


def side_style(side: str) -> Style:
    """Easy, hard and mixed parts of a training set."""
    return _SIDES[side]


def ramp_style(index: int, count: int) -> Style:
    """Ordered conditions (levels, rates, sizes) from dark to light, on a ramp that is even in grey too; never the
    black of plain averaging."""
    ramp = ("#00366f", "#3f5f8a", "#0f8a7a", "#6fae3c", "#d0b000")
    place = 0 if count < 2 else round(index * (len(ramp) - 1) / (count - 1))
    return Style(ramp[place], "osD^vPX*"[index % 8], _DASHES[index % 4])


def number(value: float | None, digits: int = 3) -> str:
    """Three significant digits, plain; `undefined` where there is none."""
    if value is None or not np.isfinite(value):
        return "undefined"
    if value == 0:
        return "0"
    decimals = max(0, digits - 1 - int(np.floor(np.log10(abs(value)))))
    return f"{value:,.{min(decimals, 6)}f}"


def percent(value: float | None) -> str:
    """A share as a percentage."""
    return "undefined" if value is None or not np.isfinite(value) else f"{100 * value:.1f} %"
