"""Which choice of training or measuring explains why published coherences of random labels differ a hundredfold."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from analysis.drawing import finish, footer
from analysis.errors import Skipped
from analysis.factors import LABELS, Effect, contrasts, effect, of_single_probes, readings
from analysis.stats import KIND_WORDS, kind_of
from analysis.store import Store
from analysis.sweeps import Sweep
from analysis.theme import BLACK, BLUE, GREY, VERMILLION, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE = "One network, one data set: which choices move the coherence that one reads"
PUBLISHED = (
    "Of random labels: reaches the 100s (abstract of Chatterjee and Zielinski 2020) [S]; moderately high, much below"
    " real labels (abstract of its resubmission) [S]; usually below 5 (Chatterjee and Zielinski 2022, ResNet-50, m ="
    " 50,000) [S]. No source that is known here reconciles them."
)
COLORS = {"real": BLUE, "random": VERMILLION, "both": BLACK}
MARKERS = {"real": "o", "random": "v", "both": "D"}
SHIFTS = {"real": 0.16, "random": -0.16, "both": 0.0}


@dataclass(frozen=True)
class Data:
    """readings: m-coherence of every trial at either weights; effects: of every factor, largest first."""

    readings: tuple[dict[str, Any], ...]
    effects: tuple[Effect, ...]
    foot: str


def collect(store: Store, sweep: Sweep) -> Data:
    """Raises Skipped unless batch-norm modes and raw and averaged weights were compared on one network."""
    found = readings(store, sweep)
    if len({one["mode"] for one in found}) < 2 or len({one["weights"] for one in found}) < 2:
        raise Skipped("no network was measured in both modes of batch normalisation, at raw and at averaged weights")
    effects = _effects(found)
    seeds = min(one.seeds for one in effects)
    more = (
        "Reading: sum of ||S||² over sum of Q from the end of the first epoch to the end of training. Left: one mark a"
        " trial. Right: faint marks are matched pairs that differ in this factor alone; the mean within a seed, then"
        f" over seeds; bars: {KIND_WORDS[kind_of(seeds)]}."
    )
    return Data(tuple(found), tuple(effects), footer(sweep, "", 1, more))


def _effects(found: list[dict[str, Any]]) -> list[Effect]:
    """Of every factor and labels; the factor with the largest effect first."""
    made = [effect(found, contrast, labels) for contrast in contrasts(found) for labels in LABELS]
    made += [of_single_probes(found, labels) for labels in LABELS]
    effects = [one for one in made if one is not None]
    sizes: dict[str, float] = {}
    for one in effects:
        sizes[one.factor] = max(sizes.get(one.factor, 0.0), abs(one.center))
    return sorted(effects, key=lambda one: (-sizes[one.factor], one.factor, LABELS.index(one.labels)))


def cell_name(one: dict[str, Any]) -> str:
    """Everything but labels, seed and model."""
    mode = "evaluation mode" if one["mode"] == "evaluation" else f"training mode, groups of {one['k']}"
    return f"{mode}, lr {one['lr']:g}, batch {one['batch']}, {one['weights']} weights, m = {one['m']:,}"


def frame(data: Data) -> pl.DataFrame:
    """Effects as log ratios (rows with `factor`), and readings (rows with `cell`)."""
    effects = [
        {"factor": one.factor, "labels": one.labels, "first": one.first, "second": one.second, "log_ratio": one.center}
        | {"low": one.low, "high": one.high, "seeds": one.seeds, "pairs": len(one.pairs)}
        for one in data.effects
    ]
    cells = [
        {"cell": cell_name(one), "labels": one["labels"], "seed": one["seed"], "m_coherence": one["m_coherence"]}
        for one in data.readings
    ]
    schema: dict[str, type[pl.DataType]] = {
        "factor": pl.String,
        "cell": pl.String,
        "labels": pl.String,
        "first": pl.String,
        "second": pl.String,
    }
    schema |= {"log_ratio": pl.Float64, "low": pl.Float64, "high": pl.Float64, "m_coherence": pl.Float64}
    schema |= {"seeds": pl.Int64, "pairs": pl.Int64, "seed": pl.Int64}
    return pl.DataFrame([*effects, *cells], schema=schema)


def draw(data: Data, figure: "Figure") -> None:
    """Readings of every cell on the left, factors on the right."""
    cells = sorted({cell_name(one) for one in data.readings}, key=lambda name: _middle(data, name))
    figure.set_size_inches(15, max(5.5, 1.6 + 0.27 * len(cells)))
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.05))
    _draw_cells(left, data, cells)
    _draw_effects(right, data)
    finish(figure, TITLE, data.foot)


def _middle(data: Data, name: str) -> float:
    values = [one["m_coherence"] for one in data.readings if cell_name(one) == name and one["labels"] == "random"]
    return float(np.median(values)) if values else 0.0


def _draw_cells(axes: "Axes", data: Data, cells: list[str]) -> None:
    for labels, shift in (("real", 0.13), ("random", -0.13)):
        own = [one for one in data.readings if one["labels"] == labels and one["m_coherence"] > 0]
        axes.plot(
            [one["m_coherence"] for one in own],
            [cells.index(cell_name(one)) + shift for one in own],
            MARKERS[labels],
            color=COLORS[labels],
            alpha=0.75,
            label=f"{labels} labels",
        )
    axes.set_xscale("log")
    for x, words in ((1, "orthogonal"), (5, "5"), (100, "100")):
        axes.axvline(x, color=GREY, linewidth=1, linestyle=(0, (1, 2)))
        axes.text(x, 1.0, words, transform=axes.get_xaxis_transform(), ha="center", va="bottom", fontsize=7, color=GREY)
    _plain_ticks(axes)
    axes.set_yticks(range(len(cells)), cells, fontsize=7)
    axes.set_ylim(-0.7, len(cells) - 0.3)
    axes.set_xlabel("m-coherence (examples)")
    axes.set_title("What one reads, by setting (sorted by random labels)", pad=16)
    axes.legend(loc="lower right")


def _draw_effects(axes: "Axes", data: Data) -> None:
    names = list(dict.fromkeys(one.factor for one in data.effects))[::-1]
    for one in data.effects:
        place = names.index(one.factor) + SHIFTS[one.labels]
        color = COLORS[one.labels]
        axes.plot(
            np.exp(one.pairs),
            [place] * len(one.pairs),
            "|",
            color=color,
            alpha=0.3,
            markersize=7,
            label=f"_{_words(one)}, by pair",
        )
        axes.plot(np.exp([one.low, one.high]), [place, place], color=color, linewidth=2.2)
        axes.plot(
            np.exp(one.center),
            place,
            MARKERS[one.labels],
            color=color,
            markersize=6,
            label=_labels(data, one) or f"_{_words(one)} (n = {one.seeds})",
        )
    axes.axvline(1, color=GREY, linewidth=1)
    axes.set_xscale("log")
    _plain_ticks(axes)
    first = {one.factor: one for one in data.effects}
    axes.set_yticks(range(len(names)), [f"{name}\n{first[name].second} over {first[name].first}" for name in names])
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.set_xlabel("m-coherence is multiplied by")
    axes.set_title("What each choice does, all else equal", pad=16)
    axes.legend(loc="lower right")


def _labels(data: Data, one: Effect) -> str | None:
    """Legend of the first effect on these labels."""
    first = next(other for other in data.effects if other.labels == one.labels)
    return f"{_words(one)} (n = {one.seeds})" if one is first else None


def _words(one: Effect) -> str:
    return f"{'real over random' if one.labels == 'both' else one.labels} labels"


def _plain_ticks(axes: "Axes") -> None:
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def caption(data: Data) -> tuple[str, ...]:
    """The range of readings, and the effect of each factor."""
    said = []
    for labels in ("real", "random"):
        values = [one["m_coherence"] for one in data.readings if one["labels"] == labels]
        if values:
            said.append(
                f"With {labels} labels one reads from {number(min(values))} to {number(max(values))}, by setting alone."
            )
    for one in data.effects:
        low, high = (number(float(np.exp(value))) for value in (one.low, one.high))
        labels = "" if one.labels == "both" else f", {one.labels} labels"
        said.append(
            f"{one.factor}, {one.second} over {one.first}{labels}: x {number(float(np.exp(one.center)))}"
            f" [{low}, {high}] (n = {one.seeds}, {len(one.pairs)} pairs)."
        )
    return tuple(said)
