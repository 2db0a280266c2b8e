"""How right the wall time of a plan was."""

import json

import polars as pl
import pytest

from analysis.launches import Launch, launches


def told(launch: str, began: float, trials: int = 2, wall_s: float = 50.0) -> str:
    return json.dumps({"launch": {"id": launch, "began": began, "trials": trials, "at_once": 2, "wall_s": wall_s}})


def found(trials: list[tuple], attempts: list[tuple]) -> list[Launch]:
    rows = pl.DataFrame(trials, {"trial_id": pl.String, "provenance": pl.String}, orient="row")
    tried = pl.DataFrame(attempts, {"trial_id": pl.String, "started_at": float, "ended_at": float}, orient="row")
    return launches(rows, tried)


def test_from_the_first_start_to_the_last_end_of_each_launch() -> None:
    trials = [("a", told("one", 100)), ("b", told("one", 100)), ("c", told("two", 300, 1, 10.0)), ("d", None)]
    attempts = [
        ("a", 20.0, None),  # of an earlier launch, lost
        ("a", 110.0, 150.0),
        ("b", 111.0, 120.0),
        ("b", 121.0, 210.0),
        ("c", 302.0, 322.0),
        ("d", 0.0, 999.0),
    ]
    assert found(trials, attempts) == [Launch(2, 2, 50.0, 100.0), Launch(1, 2, 10.0, 20.0)]
    assert [launch.ratio for launch in found(trials, attempts)] == [2.0, 2.0]


LEFT_OUT = {
    "a trial is missing": [("a", told("one", 100))],
    "not said": [("a", "{}"), ("b", None)],
    "not ours": [("a", "[]"), ("b", "no JSON")],
    "nothing expected": [("a", told("one", 100, wall_s=0.0)), ("b", told("one", 100, wall_s=0.0))],
    "half said": [("a", '{"launch": {"id": "one"}}')],
}


@pytest.mark.parametrize("trials", LEFT_OUT.values(), ids=LEFT_OUT)
def test_what_cannot_be_compared_is_left_out(trials: list[tuple]) -> None:
    assert found(trials, [("a", 110.0, 150.0), ("b", 110.0, 150.0)]) == []
