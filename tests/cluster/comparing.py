"""Comparing two stores of one sweep."""

from pathlib import Path

from tests.test_kill import curves


def assert_same_curves(found: Path, expected: Path) -> None:
    """Every row of every curve table is equal, bit for bit."""
    here, there = curves(found), curves(expected)
    assert {table: list(trials) for table, trials in here.items()} == {
        table: list(trials) for table, trials in there.items()
    }
    for table, trials in there.items():
        for trial, rows in trials.items():
            assert here[table][trial].equals(rows), (table, trial)
