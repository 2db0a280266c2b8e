"""Whatever stands in a sweep file: a valid plan, or one clear line."""

from pathlib import Path

import pytest

from orchestrator.errors import UserError
from orchestrator.load import builtin_sweeps, parse_sweep
from orchestrator.plan import make_plan
from orchestrator.store import Store
from tests.orchestrator.mutations import mutated

TEXTS = list(builtin_sweeps().items())
NOWHERE = Store(Path("nowhere"), exists=False)
FEW = 50
"""Trials of a plan whose cost is asked for as well; more of them cost time and tell nothing new."""


def outcome(text: str, source: str) -> str:
    """How it ended; anything but a plan or a refusal is raised."""
    try:
        loaded = parse_sweep(text, source)
        if len(loaded.specs) <= FEW:
            assert make_plan(loaded, NOWHERE, workers=2).as_json()["planned"] == len(loaded.specs)
    except UserError as error:
        return refusal(str(error), source)
    assert loaded.specs
    return "planned"


def refusal(message: str, source: str) -> str:
    """One line that says where."""
    assert "\n" not in message
    assert message.startswith((source, "sweeps: "))
    return "refused"


def outcomes(seeds: range) -> set[str]:
    found = set()
    for seed in seeds:
        name, text = TEXTS[seed % len(TEXTS)]
        try:
            found.add(outcome(mutated(text, seed), name))
        except Exception as error:
            raise AssertionError(f"seed {seed} of {name}") from error
    return found


@pytest.mark.parametrize("first", range(0, 300, 100))
def test_mutated_files_are_planned_or_refused(first: int) -> None:
    assert outcomes(range(first, first + 100)) == {"planned", "refused"}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("first", range(300, 10_000, 970))
def test_ten_thousand_mutated_files_are_planned_or_refused(first: int) -> None:
    assert outcomes(range(first, first + 970)) == {"planned", "refused"}


SWEEP = """\
name: large
axes: {{seed: {seeds}}}
fixed:
  dataset: {dataset}
  model: {model}
  optimizer: {{name: sgd, lr: 0.1}}
  batch_size: 10
  epochs: {epochs}
measure:
  evaluate: {{schedule: {schedule}}}
include: {include}
"""
USUAL = {"seeds": "[0]", "dataset": "digits", "model": "{name: mlp, widths: [8]}", "epochs": "1"}
USUAL |= {"schedule": "log", "include": "[]"}
RANGE = "{range: [0, 60000]}"


@pytest.mark.parametrize(
    ("large", "says"),
    [
        ({"epochs": "1000000000", "schedule": "{every: 1}"}, "at most 1000000: use a larger 'every'"),
        ({"epochs": "1000000000", "schedule": "[log, {every: 7}]"}, "at most 1000000: use a larger 'every'"),
        ({"model": "{name: vit, depth: 1000000000}"}, "expected at most 1000"),
        ({"seeds": "{range: [0, 1000000000]}"}, "more than 100000 values"),
        ({"seeds": RANGE, "include": f"[{{axes: {{seed: {RANGE}}}}}]"}, "they make 120000 trials; at most 100000"),
        ({"dataset": "{name: digits, train_examples: 1000000000}"}, "train_examples"),
    ],
)
def test_what_would_take_for_ever_is_refused_at_once(large: dict[str, str], says: str) -> None:
    with pytest.raises(UserError, match=says.replace("(", r"\(")):
        parse_sweep(SWEEP.format(**USUAL | large), "large.yaml")


@pytest.mark.parametrize(
    "large",
    [
        {"epochs": "1000000000000"},
        {"model": "{name: mlp, widths: [1000000000000]}"},
        {"epochs": "7000", "schedule": "{every: 1}"},
        {"dataset": "{name: gaussian-clusters, classes: 1000000000}"},
    ],
)
def test_what_is_only_expensive_is_planned(large: dict[str, str]) -> None:
    assert outcome(SWEEP.format(**USUAL | large), "large.yaml") == "planned"
