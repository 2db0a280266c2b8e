"""The contracts of the three, and that they are published."""

from pathlib import Path

import pytest
from coherence_extras import equal_norms, gap_vs_step, gated_mlp

from analysis.contracts.figures import FigureContract
from trainables.contracts.aggregators import AggregatorContract
from trainables.contracts.models import ModelContract
from trainables.contracts.publishing import check_published


class TestGatedMlp(ModelContract):
    entry = gated_mlp.ENTRY
    examples = ({}, {"width": 3})


class TestEqualNorms(AggregatorContract):
    entry = equal_norms.ENTRY


class TestGapVsStep(FigureContract):
    name = "gap-vs-step"
    entry = gap_vs_step.ENTRY


@pytest.mark.parametrize(
    ("kind", "module"), [("models", gated_mlp), ("aggregators", equal_norms), ("figures", gap_vs_step)]
)
def test_each_is_published(kind, module):
    check_published(Path(__file__).parents[1] / "pyproject.toml", kind, module.ENTRY)
