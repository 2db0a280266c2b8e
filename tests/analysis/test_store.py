import json
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pytest

from analysis.errors import UserError
from analysis.store import Store
from analysis.sweeps import open_sweep, sweep_name
from tests.analysis.made_up import NONE, Effects, MadeUp, grid, new_store, permuted, write, write_rows, write_trial
from trainables.records import SCHEMA_VERSION, SCHEMAS, STORE_FILE, part_path, sweep_path
from trainables.spec import trial_id

EFFECTS = Effects(steps=(0, 10), examples=10)
SPECS = grid(corruptions=(NONE, permuted(1.0)), seeds=2)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return write(tmp_path / "store", MadeUp(specs=SPECS, effects=EFFECTS))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "is not a store"),
        ("", "cannot be read"),
        ("[]", "cannot be read"),
        ("{}", "cannot be read"),
        ('{"schema_version": "1"}', "expected a whole number"),
        ('{"schema_version": 0}', "expected a whole number"),
        ('{"schema_version": true}', "expected a whole number"),
        (f'{{"schema_version": {SCHEMA_VERSION + 1}}}', f"schema version {SCHEMA_VERSION + 1}"),
    ],
)
def test_what_is_no_store_is_refused_in_one_line(tmp_path: Path, content: str | None, said: str) -> None:
    if content is not None:
        (tmp_path / STORE_FILE).write_text(content)
    with pytest.raises(UserError, match=said) as caught:
        Store(tmp_path)
    assert "\n" not in str(caught.value)


def test_empty_tables_have_their_columns(tmp_path: Path) -> None:
    store = Store(new_store(tmp_path))
    for table, schema in SCHEMAS.items():
        assert store.scan(table).collect().columns == schema.names
    assert store.read("layers").is_empty()
    assert store.sweep_names() == []


def test_only_completed_trials_are_read(small: Path) -> None:
    diverged = write_trial(small, grid(seeds=5)[4], EFFECTS, outcome="diverged")
    write_rows(small, "evals", "f" * 12, [{"step": 0, "split": "test", "accuracy": 1.0, "count": 1}])
    store = Store(small)
    assert set(store.read("evals")["trial_id"]) == {trial_id(one) for one in SPECS}
    assert diverged in store.finished["trial_id"].to_list()
    assert "f" * 12 in store.scan("evals").collect()["trial_id"].to_list()


def test_temporary_and_foreign_files_are_ignored(small: Path) -> None:
    folder = part_path(small, "evals", trial_id(SPECS[0]), 0).parent
    (folder / "part-1.parquet.tmp-0").write_bytes(b"half")
    (folder / "notes.txt").write_text("mine")
    store = Store(small)
    assert store.read("evals").height == len(SPECS) * 8
    assert store.damaged == {}


def test_compacted_folders_are_read(small: Path) -> None:
    parts = sorted((small / "evals").glob("*/part-0.parquet"))
    whole = pl.concat(pl.read_parquet(path) for path in parts)
    for path in parts:
        path.unlink()
    (small / "evals" / "compacted").mkdir()
    whole.write_parquet(small / "evals" / "compacted" / "part-0.parquet")
    assert Store(small).read("evals", [trial_id(SPECS[1])]).height == 8


@pytest.mark.parametrize("damage", ["truncated", "garbage", "page", "columns"])
def test_a_damaged_part_is_named_and_the_rest_is_read(small: Path, damage: str) -> None:
    path = part_path(small, "layers", trial_id(SPECS[0]), 0)
    content = path.read_bytes()
    if damage == "columns":
        pl.read_parquet(path).drop("q").write_parquet(path)
    else:
        changed = {"truncated": content[: len(content) // 2], "garbage": b"PAR1?PAR1"}
        changed["page"] = content[:4] + bytes(255 - byte for byte in content[4:400]) + content[400:]
        path.write_bytes(changed[damage])
    store = Store(small)
    assert set(store.read("layers")["trial_id"]) == {trial_id(one) for one in SPECS[1:]}
    assert list(store.check([trial_id(one) for one in SPECS])) == [path]


def test_missing_rows_are_found_by_the_count_that_the_trial_declares(small: Path) -> None:
    path = part_path(small, "evals", trial_id(SPECS[0]), 0)
    path.unlink()
    assert Store(small).check([trial_id(SPECS[0])]) == {path.parent: "0 of 8 rows can be read"}


def test_the_newest_revision_plans_and_missing_cells_say_their_state(tmp_path: Path) -> None:
    path = write(tmp_path / "store", MadeUp(specs=SPECS, effects=EFFECTS, skipped=frozenset({0, 1, 2})))
    write_rows(path, "attempts", trial_id(SPECS[1]), [{"attempt": 0, "outcome": "failed"}])
    write_trial(path, SPECS[2], EFFECTS, outcome="diverged")
    rows = pl.read_parquet(sweep_path(path, "demo", 0))
    rows.with_columns(revision=pl.lit(10, pl.Int64)).reverse().write_parquet(sweep_path(path, "demo", 10))
    rows.head(1).write_parquet(sweep_path(path, "demo", 9))
    sweep = open_sweep(Store(path), "demo")
    assert sweep.revision == 10
    assert sweep.planned["trial_id"].to_list() == [trial_id(one) for one in SPECS]
    assert [cell.state for cell in sweep.missing] == ["not started", "failed", "diverged"]
    assert sweep.missing[0].label == "MLP, original labels, mean, seed 0"
    assert sweep.trial_ids == [trial_id(SPECS[3])]


def test_a_sweep_is_found_by_name_or_by_being_alone(small: Path) -> None:
    store = Store(small)
    assert sweep_name(store, None) == "demo"
    with pytest.raises(UserError, match="Did you mean 'demo'"):
        open_sweep(store, "dema")
    write(small, MadeUp(name="other", specs=SPECS[:1], effects=EFFECTS))
    with pytest.raises(UserError, match="demo, other"):
        sweep_name(Store(small), None)


def test_contexts_are_labelled_by_what_varies(tmp_path: Path) -> None:
    specs = tuple(
        type(SPECS[0]).model_validate({**SPECS[0].model_dump(), "optimizer": {"name": "sgd", "lr": lr}})
        for lr in (0.1, 0.2)
    )
    store = Store(write(tmp_path, MadeUp(specs=specs, effects=EFFECTS)))
    assert [context.label for context in open_sweep(store, "demo").contexts()] == [
        "MLP, optimizer sgd lr 0.1",
        "MLP, optimizer sgd lr 0.2",
    ]


def test_plain_globs_read_the_tables(small: Path) -> None:
    pattern = f"{small}/layers/*/*.parquet"
    height = pl.read_parquet(pattern).height
    assert height == pd.concat(map(pd.read_parquet, sorted(small.glob("layers/*/*.parquet")))).shape[0]
    found = duckdb.sql(f"select count(*), count(distinct trial_id) from '{pattern}'").fetchall()
    assert found == [(height, len(SPECS))]
    assert json.loads((small / STORE_FILE).read_text()) == {"schema_version": SCHEMA_VERSION}
