"""A whole sweep in an object store: run, looked at, read by plain tools, drawn; equal to the same sweep in a folder."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow.fs
import pyarrow.parquet as pq
import pytest

from tests.files import files
from tests.object_store import BUCKET, KEYS, SECRET, new_prefix
from trainables.location import Location, locate
from trainables.records import PARTED

Coherence = Callable[..., tuple[int, str, str]]

SWEEP = """
name: remote
axes:
  aggregator: [mean, {name: winsorized, level: 4}]
  seed: {range: [0, 2]}
fixed:
  dataset: digits
  model: {name: mlp, widths: [8]}
  corruption: {name: permuted-labels, fraction: 0.5}
  optimizer: {name: sgd, lr: 0.2}
  batch_size: 100
  epochs: 2
measure:
  probe: {examples: 100, schedule: {every: 10}}
  evaluate: {schedule: {every: 10}}
"""
TRIALS = 4


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "remote.yaml").write_text(SWEEP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return "remote.yaml"


def plain(glob: str) -> pl.DataFrame:
    """As anybody reads it: polars, a glob, no options (endpoint and keys come from the environment)."""
    frame = pl.read_parquet(glob)
    return frame.sort(frame.columns)


def test_a_sweep_in_an_object_store_is_the_one_in_a_folder(
    sweep: str, coherence: Coherence, s3_prefix: Location, tmp_path: Path
) -> None:
    code, out, err = coherence("run", sweep, "--local", "--store", s3_prefix, "--checkpoint-every", "0.3")
    assert code == 0, err
    assert f"done {TRIALS}" in out
    assert coherence("run", sweep, "--local", "--store", "folder")[0] == 0
    for table in PARTED:
        if (tmp_path / "folder" / table).exists():
            assert plain(f"{s3_prefix}/{table}/*/*.parquet").equals(plain(f"folder/{table}/*/*.parquet"))
    left = {name.split("/")[0] for name in files(s3_prefix)}
    assert left == {"_store.json", "attempts", "digests", "evals", "examples", "layers", "steps", "sweeps", "trials"}

    code, out, err = coherence("run", sweep, "--local", "--store", s3_prefix)
    assert (code, err) == (0, "")
    assert out.startswith("nothing to run")
    assert coherence("fsck", "--store", s3_prefix)[0] == 0
    assert coherence("status", "remote", "--store", s3_prefix, "--json")[1].count(f'"done": {TRIALS}') == 1

    assert coherence("report", "remote", "--store", s3_prefix)[0] == 0
    assert "coherence" in (s3_prefix / "reports" / "remote.html").read_text(encoding="utf-8")
    code, out, err = coherence("figures", "remote", "--store", s3_prefix, "--only", "coherence-vs-step")
    assert code == 0, err
    drawn = s3_prefix / "figures" / "remote" / "coherence-vs-step.png"
    assert out.strip() == str(drawn)
    assert coherence("figures", "remote", "--store", "folder", "--only", "coherence-vs-step")[0] == 0
    assert (tmp_path / "folder/figures/remote/coherence-vs-step.png").read_bytes() == drawn.read_bytes()
    code, out, err = coherence("figures", "--from", drawn, "--out", "again", "--store", s3_prefix)
    assert code == 0, err
    assert Path("again/coherence-vs-step.png").read_bytes() == drawn.read_bytes()

    places = (*(s3_prefix / name for name in files(s3_prefix)), *(p for p in tmp_path.rglob("*") if p.is_file()))
    for path in places:
        content = path.read_bytes()
        assert SECRET.encode() not in content, path
        assert KEYS["AWS_ACCESS_KEY_ID"].encode() not in content, path


def test_copies_and_plain_pyarrow(sweep: str, coherence: Coherence, s3_prefix: Location) -> None:
    assert coherence("run", sweep, "--local", "--store", s3_prefix)[0] == 0
    system = pyarrow.fs.S3FileSystem(endpoint_override=os.environ["AWS_ENDPOINT_URL"])
    found = pq.read_table(f"{str(s3_prefix).removeprefix('s3://')}/trials", filesystem=system)
    assert found.num_rows == TRIALS
    for out in (locate(new_prefix()), "copy"):
        assert coherence("compact", "--store", s3_prefix, "--out", out)[0] == 0
        assert coherence("fsck", "--store", out)[0] == 0
        assert plain(f"{out}/steps/*/*.parquet").equals(plain(f"{s3_prefix}/steps/*/*.parquet"))
        code, _, err = coherence("compact", "--store", s3_prefix, "--out", out)
        assert (code, "is not empty" in err) == (2, True)


def test_a_damaged_object_is_named_and_made_again(sweep: str, coherence: Coherence, s3_prefix: Location) -> None:
    assert coherence("run", sweep, "--local", "--store", s3_prefix)[0] == 0
    victim = next((s3_prefix / "steps").glob("*/part-0.parquet"))
    whole = plain(f"{s3_prefix}/steps/*/*.parquet")
    victim.write_bytes(victim.read_bytes()[:-7])
    code, out, _ = coherence("fsck", "--store", s3_prefix)
    assert code == 1
    assert f"steps/{victim.parent.name}/part-0.parquet: unreadable" in out
    assert coherence("fsck", "--repair", "--store", s3_prefix)[0] in (0, 1)
    assert coherence("run", sweep, "--local", "--store", s3_prefix)[0] == 0
    assert plain(f"{s3_prefix}/steps/*/*.parquet").equals(whole)


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (f"s3://not-{BUCKET}/x", "no such bucket"),
        ("gs://bucket/x", "gs://"),
        (f"s3://key:{SECRET}@bucket/x", "credentials"),
    ],
)
@pytest.mark.parametrize("verb", [["run", "remote.yaml", "--local"], ["status"], ["report", "remote"], ["fsck"]])
def test_a_place_that_is_none(
    verb: list[str], place: str, said: str, sweep: str, coherence: Coherence, s3_prefix: Location
) -> None:
    code, out, err = coherence(*verb, "--store", place)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err
    assert SECRET not in err


def test_a_server_that_is_silent_is_one_line(
    sweep: str, coherence: Coherence, s3_prefix: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    for verb in (["run", sweep, "--local"], ["claims", "remote"]):
        code, out, err = coherence(*verb, "--store", s3_prefix)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert "the object store failed" in err


@pytest.mark.ray
def test_through_ray(sweep: str, s3_prefix: Location, coherence: Coherence, tmp_path: Path) -> None:
    arguments = ["run", sweep, "--store", str(s3_prefix), "--workers", "2"]
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator.cli", *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": root, "PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert coherence("run", sweep, "--local", "--store", "folder")[0] == 0
    assert plain(f"{s3_prefix}/steps/*/*.parquet").equals(plain("folder/steps/*/*.parquet"))
    assert not [
        name for name in files(s3_prefix) if name.startswith(("logs/", "preflight-", "claims/", "checkpoints/"))
    ]
    logs = list((tmp_path / "state").rglob("ray-*.log"))
    assert logs
    assert all(SECRET.encode() not in log.read_bytes() for log in logs)
