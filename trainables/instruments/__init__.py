"""Instruments by name: pure functions of what a pass over a fixed sample leaves behind, one file each.

facts: what an instrument is a function of, and so what the pass must keep (`trainables.instruments.interface`):
`columns` (Statistics; always measured, in columns of `steps` and `layers`), `statistics`, `moments`, `directions`,
`dots`, `held-out` or `gram`. All but the first are asked for under `measure: {instruments: [...]}` and write rows of
table `instruments`.
"""

from typing import Annotated, Literal

from pydantic import Field

from trainables.registry import Choice, Entry, Integer, Surroundings, with_plugins
from trainables.schedules import Schedule

Examples = Annotated[Integer, Field(ge=2)]
Few = Annotated[Integer, Field(ge=2, le=512)]
"""A Gram matrix is of one batch."""


class InstrumentChoice(Choice):
    """schedule: when it is read; left out, whenever the probe is."""

    schedule: Schedule | None = None

    def check(self, around: Surroundings) -> None:
        """Reads the probe's pass; of groups of examples only what follows from n, Q and ||S||^2 is defined."""
        if not around.probe_examples:
            raise ValueError(f"instrument {self.name} reads the probe, which is off; give measure.probe.")
        if around.estimator == "grouped" and INSTRUMENTS[self.name].facts != "statistics":
            fitting = ", ".join(name for name, entry in INSTRUMENTS.usable().items() if entry.facts == "statistics")
            raise ValueError(
                f"instrument {self.name} needs the gradient of every example, which the grouped estimator does not"
                f" have. Use estimator eval-mode, or of the instruments: {fitting}."
            )


class Coherence(Choice):
    """alpha = ||S||^2 / (n Q), m-coherence = ||S||^2 / Q, and the unbiased alpha with its error."""

    name: Literal["coherence"]


class EffectiveSampleSize(Choice):
    """Q^2 / sum ||g_i||^4: how many examples carry the squared norm."""

    name: Literal["effective-sample-size"]


class NoiseScale(InstrumentChoice):
    """tr Sigma / ||mu||^2 = 1/alpha - 1 (McCandlish et al. 2018): the batch size at which noise equals signal."""

    name: Literal["noise-scale"]


class GradientDiversity(InstrumentChoice):
    """Q / ||S||^2, the reciprocal of m-coherence, and the batch-size bound m Q / ||S||^2 (Yin et al. 2018)."""

    name: Literal["gradient-diversity"]


class OneStepGeneralisation(InstrumentChoice):
    """m alpha / (1 + (m-1) alpha): held-out over training loss decrease of one full step (Liu et al. 2020)."""

    name: Literal["one-step-generalisation"]


class GradientSnr(InstrumentChoice):
    """mu_j^2 / Var(g_j) over the coordinates that are not always zero: mean and quantiles (Liu et al. 2020)."""

    name: Literal["gradient-snr"]


class CosineStiffness(InstrumentChoice):
    """Mean cosine of distinct examples' gradients, within and between classes (Fort et al. 2019), in order m."""

    name: Literal["cosine-stiffness"]


class GroupShares(InstrumentChoice):
    """f, the share of pristine and corrupt examples in ||S||^2, and i, the cumulative mean of g_i . S (Chatterjee
    2020), with the band of `worlds` null worlds in which the tags are dealt again at random."""

    name: Literal["group-shares"]
    worlds: Annotated[Integer, Field(ge=40)] = 200


class HeldOut(InstrumentChoice):
    """Held-out mean gradient along the training mean gradient: what one small step does for `examples` test
    examples, relative to the training sample."""

    name: Literal["held-out"]
    examples: Examples = 500


class SignStiffness(InstrumentChoice):
    """Mean sign of g_i . g_j over distinct pairs of the first `examples` of the sample (Fort et al. 2019)."""

    name: Literal["sign-stiffness"]
    examples: Few = 200


class GradientConfusion(InstrumentChoice):
    """The most opposed pair of the first `examples` of the sample, and how many pairs oppose each other
    (Sankararaman et al. 2020)."""

    name: Literal["gradient-confusion"]
    examples: Few = 200


class CosineQuantiles(InstrumentChoice):
    """Quantiles of the cosine over distinct pairs of the first `examples` of the sample."""

    name: Literal["cosine-quantiles"]
    examples: Few = 200


def _entry(params: type[Choice], summary: str, reads: str) -> Entry:
    name = params.model_fields["name"].annotation.__args__[0]  # type: ignore[union-attr]
    return Entry(params, f"trainables.instruments.{name.replace('-', '_')}:measure", summary, reads)


INSTRUMENTS = with_plugins(
    "instruments",
    {
        "coherence": _entry(Coherence, "alpha, m-coherence, unbiased alpha and its error", "columns"),
        "effective-sample-size": _entry(EffectiveSampleSize, "examples that carry the squared norm", "columns"),
        "noise-scale": _entry(NoiseScale, "gradient noise scale, 1/alpha - 1", "statistics"),
        "gradient-diversity": _entry(GradientDiversity, "reciprocal of m-coherence, batch-size bound", "statistics"),
        "one-step-generalisation": _entry(
            OneStepGeneralisation, "one-step generalisation ratio of the whole sample", "statistics"
        ),
        "gradient-snr": _entry(GradientSnr, "gradient signal-to-noise ratio per coordinate: quantiles", "moments"),
        "cosine-stiffness": _entry(CosineStiffness, "mean cosine within and between classes", "directions"),
        "group-shares": _entry(GroupShares, "share of pristine and corrupt examples, with null worlds", "dots"),
        "held-out": _entry(HeldOut, "test examples against the training mean gradient", "held-out"),
        "sign-stiffness": _entry(SignStiffness, "mean sign of pairs' dot products", "gram"),
        "gradient-confusion": _entry(GradientConfusion, "the most opposed pair", "gram"),
        "cosine-quantiles": _entry(CosineQuantiles, "quantiles of pairs' cosines", "gram"),
    },
    "metrics",
)

CHOSEN = INSTRUMENTS.without("coherence", "effective-sample-size")
"""What a spec may ask for; the others are always measured."""
