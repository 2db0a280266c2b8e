"""The screen of a sweep: from a snapshot to lines that fit, whatever the terminal."""

import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.arms import arm_name, arms_of, flatten, telling
from orchestrator.screen import SHOWN, Snapshot, screen
from orchestrator.spark import BLOCKS, PLAIN, spark
from tests.orchestrator.ray_session import tiny
from trainables.spec import TrialSpec, canonical_json, trial_id

STATES = st.sampled_from(SHOWN)


def snapshot(states, arms, **given):
    ids = [f"{k:012x}" for k in range(len(states))]
    return Snapshot(
        "demo", dict(zip(ids, states, strict=True)), {one: arms[k % len(arms)] for k, one in enumerate(ids)}, **given
    )


@settings(max_examples=150, deadline=None)
@given(
    states=st.lists(STATES, min_size=1, max_size=40),
    arms=st.lists(
        st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=70),
        min_size=1,
        max_size=30,
        unique=True,
    ),
    width=st.integers(20, 200),
    height=st.integers(2, 60),
    plain=st.booleans(),
    left=st.one_of(st.none(), st.floats(0, 1e6)),
)
def test_it_fits_and_loses_no_trial(states, arms, width, height, plain, left):
    curves = {arms[0]: [1.0, 2.0, 3.0]}
    seen = snapshot(
        states, arms, left_s=left, elapsed_s=3.0, per_hour=12.0, slots=2, curves=curves, failures={"bug": 1}
    )
    lines = screen(seen, width, height, plain=plain)
    assert 1 <= len(lines) <= height
    assert all(len(line) <= width for line in lines)
    assert not plain or all(line.isascii() for line in lines)


@pytest.mark.parametrize(("width", "height"), [(80, 24), (200, 50)])
def test_every_arm_has_its_counts(width, height):
    states = ["done", "running", "pending", "failed", "diverged", "done"]
    lines = screen(snapshot(states, ["one", "two"]), width, height)
    head = next(line for line in lines if line.startswith("arm")).split()
    rows = {line.split()[0]: line.split()[1:] for line in lines if line.startswith(("one", "two"))}
    names = ["done", "run", "wait", "fail", "div"]
    assert head == ["arm", *names, "m-coherence"]
    assert rows == {"one": ["1", "·", "1", "·", "1"], "two": ["1", "1", "·", "1", "·"]}


def test_arms_beyond_the_room_are_one_line_of_sums_and_those_that_run_are_shown():
    states = ["pending"] * 30
    states[17] = "running"
    lines = screen(snapshot(states, [f"arm-{k:02}" for k in range(30)]), 80, 10)
    assert any(line.startswith("arm-17") for line in lines)
    (rest,) = [line for line in lines if "other arms" in line]
    shown = [line for line in lines if line.startswith("arm-")]
    assert int(rest.split()[0]) == 30 - len(shown)
    assert sum(int(word) for line in [*shown, rest] for word in line.split()[-3:] if word.isdigit()) == 30


def test_a_long_head_takes_two_lines_and_keeps_the_time_left():
    seen = snapshot(["running"] * 3, ["a"], elapsed_s=4000.0, left_s=5000.0, between=(4e3, 6e3), per_hour=3.0, slots=2)
    one, two = screen(seen, 60, 24)[:2]
    assert "left" in one + two
    assert "trials/h" in two


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=300), st.integers(1, 60))
def test_a_curve_rises_with_its_values(values, width):
    drawn = spark(sorted(values), width)
    assert len(drawn) == min(width, len(values))
    assert [BLOCKS.index(sign) for sign in drawn] == sorted(BLOCKS.index(sign) for sign in drawn)


@pytest.mark.parametrize(
    ("values", "drawn"),
    [
        ([], ""),
        ([math.nan], ""),
        ([1, math.nan, 100], "▁ █"),
        ([5, 5, 5], "▅▅▅"),
        ([1, 10, 100], "▁▅█"),
        ([0, 50, 100], "▁▅█"),
        ([-1, 0, 1], "▁▅█"),
    ],
)
def test_curves_by_hand(values, drawn):
    assert spark(values, 10) == drawn
    assert spark(values, 10, plain=True) == "".join(PLAIN[BLOCKS.index(c)] if c in BLOCKS else c for c in drawn)


def test_arms_are_named_by_what_varies_choices_before_their_parameters():
    changes = [{}, {"corruption": {"name": "permuted-labels", "fraction": 0.5}}, {"batch_size": 32}]
    base = tiny(0).model_dump()
    specs = [TrialSpec.model_validate({**base, **change, "seed": seed}) for change in changes for seed in (0, 1)]
    found = arms_of({trial_id(spec): canonical_json(spec) for spec in specs})
    assert list(Counter(found.values()).values()) == [2, 2, 2]
    assert list(dict.fromkeys(found.values())) == [
        "none, batch_size 64",
        "permuted-labels 0.5, batch_size 64",
        "none, batch_size 32",
    ]
    assert set(arms_of({trial_id(spec): canonical_json(spec) for spec in specs[:2]}).values()) == {"all trials"}


def test_what_tells_trials_apart():
    configs = [{"seed": s, "trial_id": str(s), "arm": "x", "lr": lr, "widths": [8]} for s in (0, 1) for lr in (1, 2)]
    assert telling(configs) == ["lr"]
    assert telling(configs[:1]) == []
    assert arm_name(configs[0], ["lr"]) == "lr 1"
    assert arm_name(configs[0], []) == "all trials"
    assert flatten({"model": {"name": "mlp", "widths": [1]}, "lr": 1}) == {"model": "mlp", "model_widths": [1], "lr": 1}
