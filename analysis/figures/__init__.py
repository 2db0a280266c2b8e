"""Figures by name. Each module has collect(store, sweep) -> frozen data, draw(data, figure), frame(data),
caption(data) and PUBLISHED; matplotlib is imported only when one is drawn.

To add one: a module here and a line in FIGURES.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """module: where the code is; title: for headings; summary: one line for lists; papers: what it redraws, as
    docs/papers.md numbers it; needs: built-in sweeps whose trials it shows. Other sweeps may feed it too."""

    module: str
    title: str
    summary: str
    papers: str = ""
    needs: tuple[str, ...] = ()


FIGURES: dict[str, Entry] = {
    "coherence-vs-step": Entry(
        "analysis.figures.coherence_vs_step",
        "Coherence while training",
        "m-coherence against step, by label noise, with the online view beside it",
        "MC-1, MC-4, GM-2, GM-4, GM-5",
        ("evolution", "label-noise"),
    ),
    "coherence-vs-loss": Entry(
        "analysis.figures.coherence_vs_loss",
        "Coherence at equal training loss",
        "m-coherence against training loss, by label noise",
        "GM-2, GM-4",
        ("evolution", "label-noise"),
    ),
    "accuracy-by-aggregator": Entry(
        "analysis.figures.accuracy_by_aggregator",
        "Memorisation by aggregator",
        "accuracy on corrupt, pristine and test examples, by aggregator",
        "WS-3, WS-4, WS-5, GM-7",
        ("weak-directions", "second-network"),
    ),
    "learning-speed": Entry(
        "analysis.figures.learning_speed",
        "How fast pristine and corrupt examples are learnt",
        "share of pristine and corrupt labels learnt against step",
        "CG-2, WS-2",
        ("label-noise",),
    ),
    "coherence-by-layer": Entry(
        "analysis.figures.coherence_by_layer",
        "Coherence layer by layer",
        "m-coherence of each layer against step, by label noise",
        "MC-1, MC-3, GM-3",
        ("evolution", "alexnet"),
    ),
    "group-shares": Entry(
        "analysis.figures.group_shares",
        "Whose step it is",
        "shares of pristine and corrupt examples in the summed gradient, with null worlds",
        "CG-3",
        ("label-noise",),
    ),
    "group-totals": Entry(
        "analysis.figures.group_totals",
        "What groups have contributed so far",
        "cumulative contribution per pristine and corrupt example, with null worlds",
        "CG-4",
        ("label-noise",),
    ),
    "winsorizing-grid": Entry(
        "analysis.figures.winsorizing_grid",
        "Winsorizing by level and label noise",
        "training accuracy, test accuracy and adjusted overfit, by winsorizing level",
        "CG-5, GM-6",
        ("winsorizing",),
    ),
    "learning-curves": Entry(
        "analysis.figures.learning_curves",
        "Learning curves by label noise",
        "training accuracy, test accuracy and training loss against step, by label noise",
        "CG-1",
        ("label-noise",),
    ),
    "noise-and-test": Entry(
        "analysis.figures.noise_and_test",
        "Plain averaging under label noise",
        "accuracy and loss of training, test, pristine and corrupt labels against epoch",
        "WS-1, WS-2, WS-5",
        (
            "weak-directions",
            "second-network",
        ),
    ),
    "triple-batch": Entry(
        "analysis.figures.triple_batch",
        "The median or the averaging",
        "one batch and three batches at as many updates: mean, medians, rolling forms",
        "WS-4",
        ("weak-directions",),
    ),
    "long-run": Entry(
        "analysis.figures.long_run",
        "Delayed or prevented",
        "corrupt, pristine and test accuracy until plain averaging has memorised",
        "WS-3, WS-4, GM-7",
        ("long-run",),
    ),
    "random-pixels": Entry(
        "analysis.figures.random_pixels",
        "Noise in place of images",
        "accuracy and coherence on noise images, by winsorizing level",
        "GM-6",
        ("random-pixels",),
    ),
    "learning-rate": Entry(
        "analysis.figures.learning_rate",
        "Each aggregator at its own learning rate",
        "accuracy at the end against learning rate, by aggregator",
        "WS-3, WS-4",
        ("learning-rate",),
    ),
}
