"""Figures by name, in the order of the papers, then our own. Each module has collect(store, sweep) -> frozen data,
draw(data, figure), frame(data), caption(data), TITLE and PUBLISHED; matplotlib is imported only when one is drawn.

To add one: a module here and a line in FIGURES; from another distribution, an entry point `gradient_coherence.figures`
that resolves to an Entry.
"""

from dataclasses import dataclass

from trainables.plugins import Plugin, Registry, check_api


@dataclass(frozen=True)
class Entry:
    """module: where the code is; title: for headings; summary: one line for lists; papers: what it redraws, as
    docs/papers.md numbers it; needs: built-in sweeps whose trials it shows. Other sweeps may feed it too. api: the
    plugin API that an entry of another distribution is written for."""

    module: str
    title: str
    summary: str
    papers: str = ""
    needs: tuple[str, ...] = ()
    api: int = 1


def _checked(plugin: Plugin, found: object) -> Entry:
    return check_api(plugin, found, Entry)


_BUILTIN: dict[str, Entry] = {
    "learning-curves": Entry(
        "analysis.figures.learning_curves",
        "Learning curves by label noise",
        "training and test accuracy and training loss against step, by label noise",
        "CG-1",
        ("label-noise",),
    ),
    "learning-speed": Entry(
        "analysis.figures.learning_speed",
        "How fast pristine and corrupt examples are learnt",
        "share of pristine and corrupt labels learnt against step",
        "CG-2, WS-2",
        ("label-noise",),
    ),
    "group-shares": Entry(
        "analysis.figures.group_shares",
        "Whose gradients make the step",
        "share of pristine and corrupt examples in the step, with null worlds",
        "CG-3",
        ("label-noise",),
    ),
    "group-totals": Entry(
        "analysis.figures.group_totals",
        "What each group has contributed so far",
        "cumulative contribution of pristine and corrupt examples, with null worlds",
        "CG-4",
        ("label-noise",),
    ),
    "winsorizing-grid": Entry(
        "analysis.figures.winsorizing_grid",
        "Winsorizing level by label noise",
        "training accuracy, test accuracy and adjusted overfit by level and label noise",
        "CG-5, GM-6",
        ("winsorizing",),
    ),
    "noise-and-test": Entry(
        "analysis.figures.noise_and_test",
        "What plain averaging fits and what it costs",
        "accuracy and loss, train against test and pristine against corrupt, by label noise",
        "WS-1, WS-2, WS-5",
        ("weak-directions", "second-network"),
    ),
    "accuracy-by-aggregator": Entry(
        "analysis.figures.accuracy_by_aggregator",
        "Memorisation by aggregator",
        "accuracy on corrupt, pristine and test examples, by aggregator",
        "WS-3, WS-4, WS-5, GM-7",
        ("weak-directions", "second-network"),
    ),
    "triple-batch": Entry(
        "analysis.figures.triple_batch",
        "Median or averaging",
        "each median of three beside the mean of the same gradients",
        "WS-4",
        ("weak-directions", "second-network"),
    ),
    "long-run": Entry(
        "analysis.figures.long_run",
        "Delay or prevention",
        "accuracy on corrupt, pristine and test examples by aggregator in a long run",
        "WS-3, WS-4",
        ("long-run",),
    ),
    "learning-rate": Entry(
        "analysis.figures.learning_rate",
        "Aggregator or learning rate",
        "accuracy at the end against the learning rate, by aggregator",
        "our own",
        ("learning-rate",),
    ),
    "easy-hard": Entry(
        "analysis.figures.easy_hard",
        "Easy and hard examples",
        "accuracy on held-out easy, held-out hard and test examples, by what was trained on",
        "WS-6, GM-8",
        ("easy-hard",),
    ),
    "adversarial-start": Entry(
        "analysis.figures.adversarial_start",
        "Starting from weights that fit random labels",
        "accuracy and coherence from fresh weights and from weights that fit random labels",
        "WS-8",
        ("adversarial-start",),
    ),
    "coherence-evolution": Entry(
        "analysis.figures.coherence_evolution",
        "The evolution of coherence",
        "loss, accuracy and m-coherence of the whole network and three layers, by label noise",
        "MC-1, MC-4",
        ("evolution",),
    ),
    "coherence-by-layer": Entry(
        "analysis.figures.coherence_by_layer",
        "Coherence layer by layer",
        "m-coherence of each layer against step, by label noise",
        "MC-1, MC-3, GM-3",
        ("evolution", "alexnet"),
    ),
    "first-steps": Entry(
        "analysis.figures.first_steps",
        "The first hundred steps",
        "m-coherence at every one of the first hundred steps",
        "MC-2",
        ("first-steps",),
    ),
    "sample-size": Entry(
        "analysis.figures.sample_size",
        "Does the sample's size decide",
        "m and 2m on samples that do not overlap, as measured and rescaled",
        "MC-5",
        ("sample-size",),
    ),
    "related-metrics": Entry(
        "analysis.figures.related_metrics",
        "Related measures of alignment",
        "m-coherence beside stiffness, confusion and cosine quantiles",
        "MC-6",
        ("evolution",),
    ),
    "linear-example": Entry(
        "analysis.figures.linear_example",
        "The linear example",
        "losses, weights, gradients and coherence of the papers' six-feature example",
        "GM-1",
        ("linear-example",),
    ),
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
    "random-pixels": Entry(
        "analysis.figures.random_pixels",
        "Images replaced by noise",
        "learning, test accuracy and coherence with noise images, by winsorizing level",
        "GM-6",
        ("random-pixels",),
    ),
    "easy-hard-coherence": Entry(
        "analysis.figures.easy_hard_coherence",
        "Coherence of easy and hard examples",
        "m-coherence of easy, hard and mixed examples against step",
        "GM-8",
        ("easy-hard",),
    ),
    "rise-and-fall": Entry(
        "analysis.figures.rise_and_fall",
        "Why coherence rises and falls",
        "m-coherence, share of fitted examples and effective sample size against step",
        "GM-9",
        ("evolution", "label-noise"),
    ),
    "what-explains": Entry(
        "analysis.figures.what_explains",
        "What explains the published contradiction",
        "how much batch-norm mode, weights, learning rate, batch and sample move the coherence that one reads",
        "our own",
        ("contradiction",),
    ),
    "settings": Entry(
        "analysis.figures.settings",
        "One setting at a time",
        "coherence and the gap to test accuracy against depth, width, rate, batch, momentum, decay, data",
        "our own",
        ("settings",),
    ),
}

FIGURES = Registry(("figures",), _BUILTIN, _checked)
