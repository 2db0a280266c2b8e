"""What a Store remembers: the same rows as reading gives, within a budget."""

from pathlib import Path

import polars as pl
import pytest

from analysis.memory import Memory
from analysis.store import Store
from tests.analysis.made_up import NONE, Effects, MadeUp, grid, permuted, write, write_rows
from trainables.records import part_path
from trainables.spec import trial_id

SPECS = grid(corruptions=(NONE, permuted(1.0)), seeds=2)
IDS = [trial_id(one) for one in SPECS]
ROWS = pl.DataFrame({"trial_id": ["a", "a", "b", "c"], "step": [0, 1, 0, 0], "q": [1.0, 2.0, 3.0, 4.0]})
ALL = frozenset("abc")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "store", MadeUp(specs=SPECS, effects=Effects(steps=(0, 10), examples=5)))


def test_a_part_of_what_is_kept_is_answered_in_order() -> None:
    memory = Memory()
    memory.keep("steps", ALL, ROWS)
    found = memory.recall("steps", frozenset("ca"), ["q", "step"])
    assert found is not None
    assert found.equals(ROWS.filter(pl.col("trial_id") != "b").select("q", "step"))
    assert memory.recall("steps", frozenset(), ["q"]).is_empty()


@pytest.mark.parametrize(
    ("table", "trials", "columns"),
    [("evals", ALL, ["q"]), ("steps", frozenset("abd"), ["q"]), ("steps", None, ["q"]), ("steps", ALL, ["q", "s2"])],
)
def test_what_is_not_wholly_kept_is_not_answered(table: str, trials: frozenset[str] | None, columns: list[str]) -> None:
    memory = Memory()
    memory.keep("steps", ALL, ROWS)
    assert memory.recall(table, trials, columns) is None


def test_everything_answers_for_any_trials() -> None:
    memory = Memory()
    memory.keep("steps", None, ROWS)
    assert memory.recall("steps", None, ["q"]).height == 4
    assert memory.recall("steps", frozenset("b"), ["q"])["q"].to_list() == [3.0]


def test_the_budget_holds_and_the_longest_unused_goes_first() -> None:
    size = ROWS.estimated_size()
    memory = Memory(budget=2 * size)
    for table in ("one", "two"):
        memory.keep(table, ALL, ROWS)
    assert memory.recall("one", ALL, ["q"]) is not None
    memory.keep("three", ALL, ROWS)
    assert [memory.recall(table, ALL, ["q"]) is None for table in ("one", "two", "three")] == [False, True, False]
    memory.keep("four", ALL, pl.concat([ROWS] * 3))
    assert memory.recall("four", ALL, ["q"]) is None
    assert memory.recall("one", ALL, ["q"]) is not None


def test_what_a_wider_reading_contains_is_kept_once() -> None:
    memory = Memory(budget=ROWS.estimated_size())
    memory.keep("steps", frozenset("a"), ROWS.head(2).select("trial_id", "q"))
    memory.keep("steps", ALL, ROWS)
    assert memory.recall("steps", frozenset("a"), ["q"])["q"].to_list() == [1.0, 2.0]


@pytest.mark.parametrize("columns", [None, ["step", "q"], ["trial_id", "group"]])
def test_a_store_that_has_read_more_answers_as_a_fresh_one(path: Path, columns: list[str] | None) -> None:
    used = Store(path)
    for ids in ([IDS[3]], IDS[:3], IDS, IDS[1:2]):
        assert used.read("layers", ids, columns).equals(Store(path).read("layers", ids, columns))
    assert used.read("layers", None, columns).equals(Store(path).read("layers", None, columns))


def test_what_a_reader_changes_stays_his_own(path: Path) -> None:
    store = Store(path)
    rows = store.read("evals", IDS)
    rows.insert_column(0, pl.lit(0).alias("mine"))
    rows.replace_column(1, pl.Series("trial_id", ["changed"] * rows.height))
    assert store.read("evals", IDS).equals(Store(path).read("evals", IDS))


def test_parts_are_read_in_the_order_of_their_numbers(path: Path) -> None:
    for part in (10, 2):
        write_rows(path, "steps", IDS[0], [{"step": 10**4 + part, "epoch": 0}], part)
    assert Store(path).read("steps", IDS[:1])["step"].to_list()[-2:] == [10002, 10010]


def test_a_file_that_goes_while_it_is_read_is_no_damage(path: Path) -> None:
    store = Store(path)
    assert store.read("evals", IDS[:1]).height == 8
    store.scan("evals")
    part_path(path, "evals", IDS[2], 0).unlink()
    assert set(store.read("evals", IDS)["trial_id"]) == set(IDS) - {IDS[2]}
    assert store.damaged == {}
    assert list(store.check(IDS)) == [part_path(path, "evals", IDS[2], 0).parent]
