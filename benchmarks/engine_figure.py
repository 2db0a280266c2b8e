"""The figure of `benchmarks.engine`: one bar a method, one panel a model and batch size."""

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("agg")
from matplotlib import pyplot

OURS = ("fused", "exact")


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Ratios to the plain step with their quartiles, on a logarithmic axis."""
    panels = list(dict.fromkeys((row["model"], row["batch"]) for row in rows))
    if not panels:
        return
    figure, axes = pyplot.subplots(
        len(panels), 1, figsize=(7, 1.0 + 1.6 * len(panels)), sharex=True, squeeze=False, layout="constrained"
    )
    for axis, (model, batch) in zip(axes[:, 0], panels, strict=True):
        own = [row for row in rows if (row["model"], row["batch"]) == (model, batch)]
        own.sort(key=lambda row: row["ratio"], reverse=True)
        names = [row["method"] for row in own]
        ratios = [row["ratio"] for row in own]
        spread = [[row["ratio"] - row["low"] for row in own], [row["high"] - row["ratio"] for row in own]]
        colours = ["#0072b2" if name.startswith(OURS) else "#999999" for name in names]
        axis.barh(names, [ratio - 0.5 for ratio in ratios], left=0.5, xerr=spread, color=colours, height=0.7)
        for place, row in enumerate(own):
            axis.text(row["high"] * 1.03, place, f"{row['ratio']:.2f}", va="center", fontsize=7)
        axis.axvline(1.0, color="black", linewidth=0.8)
        axis.set_title(f"{model}, batch {batch}", fontsize=8, loc="left")
        axis.tick_params(labelsize=7)
    axes[-1, 0].set_xscale("log")
    axes[-1, 0].set_xlim(0.5, 1.5 * max(row["high"] for row in rows))
    axes[-1, 0].set_xlabel("time of a step / time of a plain step", fontsize=8)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
