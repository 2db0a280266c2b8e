"""The tables of docs/performance.md are what the benchmarks last found."""

from benchmarks import tables


def test_the_tables_are_those_of_the_results() -> None:
    text = tables.PAGE.read_text(encoding="utf-8")
    assert tables.filled(text) == text, "run `python -m benchmarks.tables`"
