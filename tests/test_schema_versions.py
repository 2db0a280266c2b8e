"""A store of every released schema version stays readable, and whole in the eyes of every verb."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import polars as pl
import pytest

from analysis import store as reading
from analysis.sweeps import open_sweep
from orchestrator.cli import main
from trainables.records import CURVES, SCHEMA_VERSION

FIXTURES = sorted((Path(__file__).parent / "fixtures").glob("store-v*"))
SWEEP = "released"


@pytest.fixture(params=FIXTURES, ids=lambda path: path.name)
def released(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy, so that nothing can change the original."""
    return Path(shutil.copytree(request.param, tmp_path / "store"))


@pytest.fixture
def answer(released: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    def ask(*arguments: str) -> tuple[int, str]:
        code = main([*arguments, "--store", str(released)])
        return code, capsys.readouterr().out

    return ask


def test_this_version_has_one() -> None:
    versions = [json.loads((path / "_store.json").read_text())["schema_version"] for path in FIXTURES]
    assert [path.name for path in FIXTURES] == [f"store-v{version}" for version in versions]
    assert SCHEMA_VERSION in versions


def test_the_analysis_reads_it(released: Path) -> None:
    store = reading.Store(released)
    sweep = open_sweep(store, SWEEP)
    assert store.check(sweep.trial_ids) == {}
    [trial] = store.trials.to_dicts()
    for table in CURVES:
        rows = store.read(table)
        assert rows.height == trial[f"rows_{table}"] > 0
        assert rows.drop_nulls("trial_id").height == rows.height
    assert store.read("layers")["m_coherence"].drop_nulls().len() > 0


def test_plain_globs_read_it(released: Path) -> None:
    for table in ("trials", "attempts", *CURVES, "sweeps"):
        rows = pl.read_parquet(f"{released}/{table}/*/*.parquet").height
        [[counted]] = duckdb.sql(f"select count(*) from '{released}/{table}/*/*.parquet'").fetchall()
        assert rows == counted > 0


def test_the_verbs_find_it_whole(answer: Callable[..., tuple[int, str]]) -> None:
    code, out = answer("status", SWEEP, "--json")
    content = json.loads(out)
    assert (code, content["planned"], content["done"]) == (0, 1, 1)
    code, out = answer("plan", SWEEP, "--json")
    assert (code, json.loads(out)["done"]) == (0, 1)
    code, out = answer("fsck", "--json")
    assert (code, json.loads(out)["findings"]) == (0, [])


def test_a_run_finds_nothing_to_do(released: Path, answer: Callable[..., tuple[int, str]]) -> None:
    before = {path: path.read_bytes() for path in released.rglob("*.parquet")}
    assert answer("run", SWEEP, "--local")[0] == 0
    assert {path: path.read_bytes() for path in released.rglob("*.parquet")} == before
