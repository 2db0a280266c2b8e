"""`coherence fsck`: every kind of damage is found and named; a repaired store is made whole by the next run."""

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from orchestrator.cli import main
from orchestrator.load import parse_sweep
from orchestrator.store import COMPACTED, Store
from trainables.records import CURVES, part_path, sweep_path, write_part
from trainables.spec import canonical_json

Coherence = Callable[..., tuple[int, str, str]]

SWEEP = """\
name: checked
axes: {seed: [0, 1]}
fixed:
  dataset: digits
  model: {name: mlp, widths: [8]}
  corruption: {name: permuted-labels, fraction: 0.5}
  optimizer: {name: sgd, lr: 0.1}
  batch_size: 200
  epochs: 1
measure:
  online: {every: 2}
  probe: {examples: 100, schedule: {every: 4}}
  instruments: [noise-scale]
"""
SPECS = parse_sweep(SWEEP, "s").specs
FIRST, SECOND = SPECS
TEMPORARY = "part-1.parquet.tmp-0"
STRANGER = "0123456789ab"
WHOLE_TABLES = ("trials", *CURVES)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of two real trials, and the sweep's file beside it."""
    folder = tmp_path_factory.mktemp("fsck")
    (folder / "checked.yaml").write_text(SWEEP)
    assert main(["run", str(folder / "checked.yaml"), "--local", "--store", str(folder / "store")]) == 0
    return folder


@pytest.fixture
def real(made: Path, tmp_path: Path) -> Store:
    """A copy to damage."""
    shutil.copytree(made, tmp_path / "real")
    return Store(tmp_path / "real" / "store")


def found(coherence: Coherence, store: Store, *options: str) -> tuple[int, list[tuple[str, str]], list[str]]:
    """Exit code, (path, kind) of what is left, and what was repaired."""
    code, out, _ = coherence("fsck", "--store", store.root, "--json", *options)
    content = json.loads(out)
    return code, [(each["path"], each["kind"]) for each in content["findings"]], content["repaired"]


def rows(store: Store) -> dict[tuple[str, str], pa.Table]:
    """Curves and sweeps, whatever their parts."""
    tables = {}
    for table in (*CURVES, "sweeps"):
        for folder in store.trial_folders(table):
            files = sorted((store.root / table / folder).glob("*.parquet"), key=lambda path: path.name)
            tables[table, folder] = pa.concat_tables(pq.read_table(file).replace_schema_metadata() for file in files)
    return tables


def rewrite(path: Path, table: str, change: dict[str, Any], number: int = 0) -> None:
    """Change columns of one row of a file."""
    content = pq.read_table(path).to_pylist()
    content[number] |= change
    write_part(path, table, content, tag="test")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def flip_a_page(path: Path) -> None:
    """One bit of a column's data; footer and length stay."""
    place = pq.ParquetFile(path).metadata.row_group(0).column(0)
    content = bytearray(path.read_bytes())
    content[place.data_page_offset + place.total_compressed_size - 2] ^= 1
    path.write_bytes(content)


def retype(path: Path) -> None:
    table = pq.read_table(path)
    pq.write_table(table.set_column(1, table.field(1).name, table.column(1).cast(pa.int32())), path)


def of_version(path: Path, version: str) -> None:
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({**table.schema.metadata, b"schema_version": version.encode()}), path)


def drop_a_row(path: Path, table: str) -> None:
    write_part(path, table, pq.read_table(path).to_pylist()[:-1], tag="test")


def begin(store: Store, identity: str, attempt: int) -> None:
    """The row of an attempt whose process is gone."""
    row = {"trial_id": identity, "attempt": attempt, "outcome": "running", "host": "gone", "pid": 1, "started_at": 1.0}
    write_part(store.attempt_file(identity, attempt), "attempts", [row], tag="test")


def leave(path: Path, *, age_s: float = 7200.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"?")
    os.utime(path, (time.time() - age_s, time.time() - age_s))


Damaging = Callable[[Store], object]
PART = f"{FIRST}/part-0.parquet"


def part(store: Store, table: str) -> Path:
    return part_path(store.root, table, FIRST, 0)


def spoil(table: str, change: Callable[[Path], object]) -> Damaging:
    return lambda store: change(part(store, table))


def strand_a_part(store: Store) -> None:
    content = [row | {"trial_id": STRANGER} for row in pq.read_table(part(store, "steps")).to_pylist()]
    write_part(part_path(store.root, "steps", STRANGER, 0), "steps", content, tag="test")


def swap_spec(path: Path) -> None:
    rewrite(path, "trials", {"spec": canonical_json(SPECS[SECOND])})


# How it is spoilt, where it is found, and the kind. REPAIRED: --repair and a run bring the store back row for row.
REPAIRED: dict[str, tuple[Damaging, str, str]] = {
    **{f"{table} cut": (spoil(table, cut), f"{table}/{PART}", "unreadable") for table in WHOLE_TABLES},
    **{f"{table}, one bit": (spoil(table, flip_a_page), f"{table}/{PART}", "unreadable") for table in WHOLE_TABLES},
    "an empty file": (spoil("evals", lambda path: path.write_bytes(b"")), f"evals/{PART}", "unreadable"),
    "another type": (spoil("steps", retype), f"steps/{PART}", "schema"),
    "another table": (lambda store: shutil.copy(part(store, "evals"), part(store, "steps")), f"steps/{PART}", "schema"),
    "a missing row": (spoil("steps", lambda path: drop_a_row(path, "steps")), f"steps/{FIRST}", "rows"),
    "a missing part": (spoil("layers", Path.unlink), f"layers/{FIRST}", "rows"),
    "a doubled part": (
        lambda store: shutil.copy(part(store, "evals"), part_path(store.root, "evals", FIRST, 7)),
        f"evals/{FIRST}",
        "rows",
    ),
    "a temporary part": (
        lambda store: leave(part(store, "steps").with_name(TEMPORARY)),
        f"steps/{FIRST}/{TEMPORARY}",
        "leftover",
    ),
    "a temporary sweep": (
        lambda store: leave(store.root / "sweeps/checked/1.parquet.tmp-driver"),
        "sweeps/checked/1.parquet.tmp-driver",
        "leftover",
    ),
    "a temporary marker": (lambda store: leave(store.root / "_store.json.tmp"), "_store.json.tmp", "leftover"),
    "an old checkpoint": (
        lambda store: leave(store.checkpoints(FIRST) / "checkpoint-0.pt"),
        f"checkpoints/{FIRST}",
        "leftover",
    ),
    "an old claim": (lambda store: leave(store.root / "claims" / FIRST / "0"), f"claims/{FIRST}", "leftover"),
    "an open attempt of a finished trial": (
        lambda store: begin(store, FIRST, 1),
        f"attempts/{FIRST}/part-1.parquet",
        "open-attempt",
    ),
}

LEFT: dict[str, tuple[Damaging, str, str]] = {
    "attempts cut": (spoil("attempts", cut), f"attempts/{PART}", "unreadable"),
    "a sweep cut": (lambda store: cut(sweep_path(store.root, "checked", 0)), "sweeps/checked/0.parquet", "unreadable"),
    "a later version": (spoil("layers", lambda path: of_version(path, "99")), f"layers/{PART}", "schema"),
    "no version": (spoil("evals", lambda path: of_version(path, "")), f"evals/{PART}", "schema"),
    "another spec": (spoil("trials", swap_spec), f"trials/{PART}", "identity"),
    "no spec": (spoil("trials", lambda path: rewrite(path, "trials", {"spec": "{}"})), f"trials/{PART}", "identity"),
    "another spec in a sweep": (
        lambda store: rewrite(sweep_path(store.root, "checked", 0), "sweeps", {"spec": canonical_json(SPECS[SECOND])}),
        "sweeps/checked/0.parquet",
        "identity",
    ),
    "a sweep under another name": (
        lambda store: shutil.copytree(store.root / "sweeps/checked", store.root / "sweeps/copied"),
        "sweeps/copied/0.parquet",
        "identity",
    ),
    "rows of another trial": (
        lambda store: rewrite(part(store, "attempts"), "attempts", {"trial_id": SECOND}),
        f"attempts/{PART}",
        "identity",
    ),
    "a part of nobody": (
        strand_a_part,
        f"steps/{STRANGER}",
        "orphan",
    ),
    "a checkpoint of nobody": (
        lambda store: leave(store.checkpoints(STRANGER) / "checkpoint-0.pt"),
        f"checkpoints/{STRANGER}",
        "orphan",
    ),
    "an open attempt": (
        lambda store: begin(store, unfinish(store), 1),
        f"attempts/{SECOND}/part-1.parquet",
        "open-attempt",
    ),
    "a copy by hand": (
        lambda store: shutil.copy(part(store, "evals"), store.root / f"evals/{FIRST}/part-0 copy.parquet"),
        f"evals/{FIRST}/part-0 copy.parquet",
        "stray",
    ),
    "a fresh temporary": (
        lambda store: leave(part(store, "steps").with_name(TEMPORARY), age_s=60),
        f"steps/{FIRST}/{TEMPORARY}",
        "leftover",
    ),
}


def unfinish(store: Store) -> str:
    """Make the second trial one that is not done."""
    shutil.rmtree(store.root / "trials" / SECOND)
    return SECOND


def test_a_whole_store_has_no_findings(coherence: Coherence, made: Path) -> None:
    assert found(coherence, Store(made / "store")) == (0, [], [])
    code, out, err = coherence("fsck", "--store", made / "store")
    assert (code, err) == (0, "")
    assert out.rstrip().endswith("whole")


@pytest.mark.parametrize("case", REPAIRED | LEFT)
def test_everything_is_found_and_nothing_else(case: str, coherence: Coherence, real: Store) -> None:
    damage, path, kind = (REPAIRED | LEFT)[case]
    damage(real)
    before = snapshot(real)
    code, findings, _ = found(coherence, real)
    assert code == 1
    assert (path, kind) in findings
    assert {each[1] for each in findings} == {kind}
    assert snapshot(real) == before


@pytest.mark.parametrize("case", REPAIRED)
def test_repaired_and_run_again_it_is_the_store_it_was(case: str, coherence: Coherence, real: Store) -> None:
    expected, damage = rows(real), REPAIRED[case][0]
    damage(real)
    code, left, done = found(coherence, real, "--repair")
    assert (code, left) == (0, [])
    assert done
    assert coherence("run", "checked", "--local", "--store", real.root)[0] == 0
    assert found(coherence, real) == (0, [], [])
    assert rows(real) == expected


@pytest.mark.parametrize("case", LEFT)
def test_what_could_lose_something_is_left(case: str, coherence: Coherence, real: Store) -> None:
    LEFT[case][0](real)
    before = snapshot(real)
    code, left, done = found(coherence, real, "--repair")
    assert (code, done) == (1, [])
    assert LEFT[case][1:] in left
    assert snapshot(real) == before


def test_an_open_attempt_is_closed_by_the_next_run(coherence: Coherence, real: Store) -> None:
    begin(real, unfinish(real), 1)
    assert coherence("run", "checked", "--local", "--store", real.root)[0] == 0
    assert found(coherence, real) == (0, [], [])


def test_a_finished_trial_that_no_sweep_would_make_again_is_kept(coherence: Coherence, real: Store) -> None:
    shutil.rmtree(real.root / "sweeps")
    cut(part(real, "layers"))
    before = snapshot(real)
    code, left, _ = found(coherence, real, "--repair")
    assert (code, left) == (1, [(f"layers/{PART}", "unreadable")])
    assert snapshot(real) == before


def test_parts_of_an_unfinished_trial_are_kept(coherence: Coherence, real: Store) -> None:
    unfinish(real)
    cut(part_path(real.root, "layers", SECOND, 0))
    leave(real.checkpoints(SECOND) / "checkpoint-0.pt")
    before = snapshot(real)
    code, left, _ = found(coherence, real, "--repair")
    assert (code, left) == (1, [(f"layers/{SECOND}/part-0.parquet", "unreadable")])
    assert snapshot(real) == before


def test_attempts_survive_every_repair(coherence: Coherence, real: Store) -> None:
    kept = {path: path.read_bytes() for path in (real.root / "attempts").rglob("*.parquet")}
    for table in WHOLE_TABLES:
        cut(part(real, table))
    assert found(coherence, real, "--repair")[:2] == (0, [])
    assert {path: path.read_bytes() for path in (real.root / "attempts").rglob("*.parquet")} == kept
    assert [name for name in real.trial_folders("trials") if real.trial_file(name).exists()] == [SECOND]


def test_compacted_copies_are_looked_at(coherence: Coherence, real: Store, tmp_path: Path) -> None:
    copy = Store(tmp_path / "copy")
    assert coherence("compact", "--store", real.root, "--out", copy.root)[0] == 0
    assert found(coherence, copy) == (0, [], [])
    file = part_path(copy.root, "steps", COMPACTED, 0)
    drop_a_row(file, "steps")
    assert found(coherence, copy, "--repair") == (1, [(f"steps/{COMPACTED}", "rows")], [])
    cut(file)
    assert found(coherence, copy, "--repair") == (1, [(f"steps/{COMPACTED}/part-0.parquet", "unreadable")], [])


def test_one_line_a_finding_with_the_next_move(coherence: Coherence, real: Store) -> None:
    cut(part(real, "layers"))
    code, out, err = coherence("fsck", "--store", real.root)
    [line, summary] = out.splitlines()
    assert (code, err) == (1, "")
    assert line.startswith(f"layers/{PART}: unreadable: ")
    assert "--repair forgets the trial" in line
    assert "1 finding" in summary


@pytest.mark.parametrize("made_before", [False, True])
def test_misuse(made_before: bool, coherence: Coherence, tmp_path: Path) -> None:
    if made_before:
        (tmp_path / "notes.txt").touch()
    code, out, err = coherence("fsck", "--store", tmp_path if made_before else tmp_path / "nowhere")
    assert (code, out, err.count("\n")) == (2, "", 1)


def snapshot(store: Store) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in store.root.rglob("*") if path.is_file()}
