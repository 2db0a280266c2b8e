"""The words, tables and picture of docs/validation.md, from what `benchmarks.validate` found."""

from collections.abc import Iterable, Sequence
from math import exp, log
from pathlib import Path
from typing import Any

import matplotlib
from jinja2 import Template

matplotlib.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter, StrMethodFormatter

from analysis.drawing import step_axis
from analysis.theme import BLUE, DPI, GREEN, GREY, ORANGE, PURPLE, RC, VERMILLION
from trainables.estimators import alpha_of_one, rescaled_m_coherence

Row = dict[str, Any]
Curve = dict[int, Row]
WINDOWS = ((0, 0), (1, 20), (21, 125), (126, 375), (376, 750))
"""First and last step; 125 steps are an epoch."""


def whole(tables: dict[str, list[Row]], source: str) -> Curve:
    """Rows of the whole network and all examples by step."""
    rows = tables["layers"]
    return {r["step"]: r for r in rows if (r["source"], r["layer"], r["group"]) == (source, "*", "all")}


def windowed(rows: Iterable[Row], m: int) -> float | None:
    """m-coherence rescaled to m examples, of sums over rows: sum (s2 - q) over sum (n - 1) q."""
    kept = list(rows)
    if not kept:
        return None
    return rescaled_m_coherence(sum(r["s2"] - r["q"] for r in kept) / sum((r["n"] - 1) * r["q"] for r in kept), m)


def page(found: dict[str, Any]) -> str:
    """The page as Markdown: the tables in the words of validation.md.j2."""
    words = Template((Path(__file__).parent / "validation.md.j2").read_text(encoding="utf-8"))
    return words.render(
        exact=_exact(found["exact"]),
        online=_online(found["curves"]),
        grouped=_grouped(found["grouped"]),
        batch_norm=_batch_norm(found["batch norm"]),
        averages=_averages(found["curves"]),
    )


def _exact(errors: dict[str, dict[str, float]]) -> str:
    rows = [[name, f"{each['float32']:.1e}", f"{each['float64']:.1e}"] for name, each in errors.items()]
    return _table(["network", "float32", "float64"], rows)


def _online(curves: dict[str, list[dict[str, list[Row]]]]) -> str:
    rows = []
    for first, last in WINDOWS:
        cells = [_span(first, last)]
        for runs in curves.values():
            square, unbiased = [], []
            for tables in runs:
                probe = [r for step, r in whole(tables, "probe").items() if first <= step <= last]
                online = [r for r in tables["steps"] if first <= r["step"] <= last]
                if not probe or not online:
                    continue
                square.append(_mean_square(online) / _mean_square(probe))
                unbiased.append((_clean(windowed(online, 4000)), _clean(windowed(probe, 4000))))
            cells.append(_spread(square))
            cells += [_spread([a for a, _ in unbiased]), _spread([b for _, b in unbiased])]
        rows.append(cells)
    heads = ["steps"]
    for name in curves:
        heads += [f"{name}: E‖g‖², online over probe", "m-coherence at m = 4000, online", "the same, probe"]
    return _table(heads, rows)


def _grouped(pairs: dict[int, list[tuple[Row, Row]]]) -> str:
    rows = []
    for k, both in pairs.items():
        z = [
            (g["alpha_unbiased"] - e["alpha_unbiased"]) / (g["alpha_error"] ** 2 + e["alpha_error"] ** 2) ** 0.5
            for e, g in both
        ]
        corrected = [g["m_coherence"] / e["m_coherence"] for e, g in both]
        naive = [_naive(g, k) / e["m_coherence"] for e, g in both]
        inside = sum(abs(each) < 2 for each in z)
        rows.append([str(k), str(len(both)), _log_spread(corrected), _log_spread(naive), f"{inside} of {len(z)}"])
    return _table(["k", "pairs", "corrected", "plug-in", "within 2 errors"], rows)


def _naive(row: Row, k: int) -> float:
    n = row["n"]
    return n * k * alpha_of_one(row["s2"] / (n * row["q"]), k)


def _batch_norm(curves: dict[str, Curve]) -> str:
    steps = sorted(next(iter(curves.values())))
    rows = [[str(step), *(_number(windowed_one(curve[step], 500)) for curve in curves.values())] for step in steps]
    return _table(["step", *curves], rows)


def windowed_one(row: Row, m: int) -> float:
    """m-coherence of one row rescaled to m examples."""
    return rescaled_m_coherence(row["alpha_unbiased"], m)


def _averages(curves: dict[str, list[dict[str, list[Row]]]]) -> str:
    rows = []
    for first, last in WINDOWS:
        cells = [_span(first, last)]
        for runs in curves.values():
            for source in ("probe", "probe-ema"):
                found = [
                    windowed([r for step, r in whole(tables, source).items() if first <= step <= last], 4000)
                    for tables in runs
                ]
                cells.append(_spread([_clean(value) for value in found]))
        rows.append(cells)
    heads = ["steps", *(f"{name}, {kind}" for name in curves for kind in ("raw", "average"))]
    return _table(heads, rows)


def picture(found: dict[str, Any], file: Path) -> None:
    """Four panels: online and probe, groups and examples, batch norm, raw and average."""
    with plt.rc_context(RC):
        figure, axes = plt.subplots(2, 2, figsize=(10, 7.6), layout="constrained")
        _draw_online(axes[0, 0], found["curves"])
        _draw_grouped(axes[0, 1], found["grouped"])
        _draw_batch_norm(axes[1, 0], found["batch norm"])
        _draw_averages(axes[1, 1], found["curves"])
        file.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(file, dpi=DPI, metadata={"Software": "gradient-coherence"})
        plt.close(figure)


COLOURS = {"real labels": BLUE, "random labels": VERMILLION}


def _draw_online(axes: Axes, curves: dict[str, list[dict[str, list[Row]]]]) -> None:
    for name, runs in curves.items():
        for number, tables in enumerate(runs):
            probe = whole(tables, "probe")
            online = {r["step"]: r for r in tables["steps"] if r["step"] in probe}
            for source, style, label in ((probe, "-", "probe"), (online, ":", "online, single batches")):
                xs = sorted(set(source) & set(online))
                axes.plot(
                    xs,
                    [source[x]["q"] / source[x]["n"] for x in xs],
                    style,
                    color=COLOURS[name],
                    linewidth=1.2,
                    label=f"{name}, {label}" if number == 0 else None,
                )
    _log(axes)
    step_axis(axes, 750)
    axes.set_ylabel("mean squared gradient norm")
    axes.set_title("Online against the probe (n = 3)")
    axes.legend()


def _draw_grouped(axes: Axes, pairs: dict[int, list[tuple[Row, Row]]]) -> None:
    for (k, both), colour, marker in zip(pairs.items(), (BLUE, ORANGE, GREEN), "os^", strict=True):
        axes.plot(
            [e["m_coherence"] for e, _ in both],
            [g["m_coherence"] for _, g in both],
            marker,
            color=colour,
            alpha=0.75,
            label=f"groups of {k}",
        )
    low, high = axes.get_xlim()
    axes.plot([low, high], [low, high], color=GREY, linewidth=0.8, label="equal")
    axes.set_xlabel("m-coherence of 2,000, single examples")
    axes.set_ylabel("m-coherence of 2,000, groups of k, corrected")
    axes.set_title("Groups against single examples (n = 3)")
    axes.legend()


def _draw_batch_norm(axes: Axes, curves: dict[str, Curve]) -> None:
    for (name, curve), colour, marker in zip(curves.items(), (VERMILLION, BLUE, PURPLE), "os^", strict=True):
        axes.plot(
            list(curve), [windowed_one(row, 500) for row in curve.values()], marker=marker, color=colour, label=name
        )
    _log(axes)
    step_axis(axes, max(next(iter(curves.values()))))
    axes.axhline(1, color=GREY, linewidth=0.8)
    axes.set_ylabel("m-coherence at m = 500")
    axes.set_title("Batch normalisation, same weights (n = 1)")
    axes.legend()


def _draw_averages(axes: Axes, curves: dict[str, list[dict[str, list[Row]]]]) -> None:
    for name, runs in curves.items():
        for number, tables in enumerate(runs):
            for source, style, label in (("probe", "-", "raw weights"), ("probe-ema", "--", "average")):
                curve = whole(tables, source)
                axes.plot(
                    list(curve),
                    [row["m_coherence"] for row in curve.values()],
                    style,
                    color=COLOURS[name],
                    linewidth=1.2,
                    label=f"{name}, {label}" if number == 0 else None,
                )
    _log(axes)
    step_axis(axes, 750)
    axes.axhline(1, color=GREY, linewidth=0.8)
    axes.set_ylabel("m-coherence (m = 4,000)")
    axes.set_title("Raw weights against their average (n = 3)")
    axes.legend()


def _log(axes: Axes) -> None:
    """Logarithmic y axis with plain numbers."""
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _mean_square(rows: Sequence[Row]) -> float:
    return float(sum(r["q"] for r in rows) / sum(r["n"] for r in rows))


def _clean(value: float | None) -> float:
    assert value is not None
    return value


def _span(first: int, last: int) -> str:
    return str(first) if first == last else f"{first} to {last}"


def _spread(values: Sequence[float]) -> str:
    if not values:
        return "none"
    ordered = sorted(values)
    return f"{_number(ordered[len(ordered) // 2])} ({_number(ordered[0])} to {_number(ordered[-1])})"


def _log_spread(values: Sequence[float]) -> str:
    center = exp(sum(log(value) for value in values) / len(values))
    return f"{center:.3f} ({min(values):.2f} to {max(values):.2f})"


def _number(value: float) -> str:
    return f"{value:.3g}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}", *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join(lines)
