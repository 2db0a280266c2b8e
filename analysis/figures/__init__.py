"""Figures by name. Each module has collect(store, sweep) -> frozen data, draw(data, figure), frame(data),
caption(data) and PUBLISHED; matplotlib is imported only when one is drawn.

To add one: a module here and a line in FIGURES.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """module: where the code is; title: for headings; summary: one line for lists."""

    module: str
    title: str
    summary: str


FIGURES: dict[str, Entry] = {
    "coherence-vs-step": Entry(
        "analysis.figures.coherence_vs_step",
        "Coherence while training",
        "m-coherence against step, by label noise, with the online view beside it",
    ),
    "coherence-vs-loss": Entry(
        "analysis.figures.coherence_vs_loss",
        "Coherence at equal training loss",
        "m-coherence against training loss, by label noise",
    ),
    "accuracy-by-aggregator": Entry(
        "analysis.figures.accuracy_by_aggregator",
        "Memorisation by aggregator",
        "accuracy on corrupt, pristine and test examples, by aggregator",
    ),
    "learning-speed": Entry(
        "analysis.figures.learning_speed",
        "How fast pristine and corrupt examples are learnt",
        "share of pristine and corrupt labels learnt against step",
    ),
    "coherence-by-layer": Entry(
        "analysis.figures.coherence_by_layer",
        "Coherence layer by layer",
        "m-coherence of each layer against step, by label noise",
    ),
}
