"""Tables and sinks: declared schemas, whole files or none, readers without options."""

import duckdb
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest
import torch

from tests.trainables.specs import quick
from trainables.checkpoint import CheckpointFolder
from trainables.records import PARTED, SCHEMAS, part_number, part_path, to_table, write_part
from trainables.sink import ListSink, ParquetSink, TeeSink
from trainables.storage import SupersededError
from trainables.trial import run_trial

SCHEMA_COLUMNS = {
    "trials": 38,
    "attempts": 18,
    "steps": 15,
    "layers": 20,
    "evals": 7,
    "examples": 9,
    "instruments": 14,
    "digests": 5,
    "sweeps": 7,
}


@pytest.mark.parametrize("table", SCHEMAS)
def test_every_column_is_documented_and_counted(table):
    schema = SCHEMAS[table]
    assert all(field.metadata[b"doc"] for field in schema)
    assert len(schema) == SCHEMA_COLUMNS[table]


def test_curves_hold_no_clock_host_or_attempt():
    for table in PARTED:
        assert not {"attempt", "host", "started_at", "ended_at"} & set(SCHEMAS[table].names)


def test_unknown_and_missing_columns_are_refused():
    with pytest.raises(ValueError, match="speed"):
        to_table("steps", [{"trial_id": "a", "step": 0, "epoch": 0, "speed": 3}])
    with pytest.raises(ValueError, match="epoch"):
        to_table("steps", [{"trial_id": "a", "step": 0}])


def test_a_failed_write_leaves_no_file(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    path = part_path(tmp_path, "evals", "abc", 0)
    with pytest.raises(OSError, match="space"):
        write_part(path, "evals", [{"trial_id": "a", "step": 0, "split": "test"}], tag="0")
    assert list(path.parent.iterdir()) == []


def test_paths():
    from pathlib import Path

    assert part_path(Path("s"), "steps", "0123", 7) == Path("s/steps/0123/part-7.parquet")
    assert part_number(Path("x/part-12.parquet")) == 12


def test_a_trial_fills_a_store_that_plain_globs_read(tmp_path):
    listed, torch_threads = ListSink(), torch.get_num_threads()
    torch.set_num_threads(1)
    sink = TeeSink(ParquetSink(tmp_path, "123456789012", 0), listed)
    result = run_trial(
        quick(epochs=1, measure={"probe": {"examples": 300}, "instruments": ["noise-scale"]}),
        sink,
        checkpoints=CheckpointFolder(tmp_path / "c"),
        checkpoint_every_s=0.1,
        device="cpu",
    )
    torch.set_num_threads(torch_threads)
    for table in PARTED:
        glob = f"{tmp_path}/{table}/*/*.parquet"
        frames = {
            "polars": pl.scan_parquet(glob).collect().height,
            "pandas": len(pd.concat(pd.read_parquet(f) for f in (tmp_path / table).rglob("*.parquet"))),
            "duckdb": duckdb.sql(f"select count(*) from '{glob}'").fetchall()[0][0],
        }
        assert set(frames.values()) == {result.rows[table]} == {len(listed.rows[table])}
    ids = duckdb.sql(f"select distinct trial_id from '{tmp_path}/evals/*/*.parquet'").fetchall()
    assert ids == [("123456789012",)]
    first = pq.read_schema(part_path(tmp_path, "layers", "123456789012", 0))
    assert first.remove_metadata().equals(SCHEMAS["layers"].remove_metadata())
    assert {b"attempt", b"from_step", b"to_step", b"grew_from", b"part", b"schema_version"} <= set(first.metadata)


def test_an_all_null_column_keeps_its_type(tmp_path):
    path = part_path(tmp_path, "evals", "a", 0)
    write_part(path, "evals", [{"trial_id": "a", "step": 0, "split": "corrupt", "count": 0}], tag="0")
    assert pl.read_parquet(path).schema["accuracy"] == pl.Float64


def test_a_sink_takes_only_the_tables_of_a_trial(tmp_path):
    with pytest.raises(ValueError, match="trials"):
        ParquetSink(tmp_path, "a", 0).write("trials", [])


def test_an_attempt_that_was_overtaken_writes_nothing_more(tmp_path):
    def overtaken():
        raise SupersededError

    sink = ParquetSink(tmp_path, "a", 0, overtaken)
    sink.write("evals", [{"step": 0, "split": "test"}])
    with pytest.raises(SupersededError):
        sink.flush(0, {})
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
