"""A store from somebody else: what it says is shown as text, and can neither run nor hang the reader."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from analysis.definition import parsed
from analysis.gallery import Drawn, draw_all
from analysis.report import render
from analysis.store import Store
from analysis.sweeps import open_sweep
from tests.analysis.made_up import MEAN, NONE, WINSORIZED, Effects, MadeUp, grid, permuted, write, write_rows
from trainables.records import part_path, sweep_path, write_part
from trainables.spec import trial_id

EVIL = "</td><script>alert('x')</script><img src=x onerror=alert(1)>$\\frac{"
SPECS = grid(corruptions=(NONE, permuted(0.5)), aggregators=(MEAN, WINSORIZED), seeds=2)
EFFECTS = Effects(steps=(0, 50, 125, 2000), examples=20)
BOMB = "\n".join(["a0: &a0 [x]", *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12))])


def change(store: Path, table: str, identity: str, **values: Any) -> None:
    rows = pl.read_parquet(part_path(store, table, identity, 0)).drop("trial_id").to_dicts()
    write_rows(store, table, identity, [{**row, **values} for row in rows])


def define(store: Path, definition: str) -> None:
    path = sweep_path(store, "demo", 0)
    rows = pl.read_parquet(path).to_dicts()
    write_part(path, "sweeps", [row | {"definition": definition} for row in rows], tag="test")


@pytest.fixture
def hostile(tmp_path: Path) -> Store:
    """Every free text of every table tries it; layers and classes too."""
    store = write(tmp_path / "store", MadeUp(specs=SPECS, effects=EFFECTS, skipped=frozenset({7})))
    define(store, f"name: demo\ndescription: |\n  {EVIL}\n")
    for spec in SPECS[:7]:
        identity = trial_id(spec)
        change(store, "trials", identity, provenance=f'{{"{EVIL[:14]}": "<script>", "host": "<script>"}}', reason=EVIL)
        change(store, "trials", identity, dataset=EVIL, optimizer=EVIL)
        change(store, "attempts", identity, message=EVIL, error_class=EVIL, host=EVIL, device=EVIL)
        rows = pl.read_parquet(part_path(store, "layers", identity, 0)).drop("trial_id").to_dicts()
        named = [row | ({"layer": f"{EVIL}.{row['layer']}"} if row["layer"] != "*" else {}) for row in rows]
        write_rows(store, "layers", identity, named)
        where = {"source": "probe", "estimator": "example", "layer": "*", "layer_index": -1, "n": 4, "value": 0.5}
        share = {"step": 0, "instrument": "group-shares", "quantity": "share", "group": f"class {EVIL}"}
        write_rows(store, "instruments", identity, [{**where, **share}])
    (store / "evals" / trial_id(SPECS[0]) / "part-3.parquet").write_bytes(b"<script>")
    return Store(store)


def test_no_tag_of_the_page_comes_from_data(hostile: Store) -> None:
    sweep = open_sweep(hostile, "demo")
    names = ("coherence-by-layer", "coherence-vs-step", "coherence-vs-loss", "group-shares")
    drawn = list(draw_all(hostile, sweep, names))
    assert sum(isinstance(one, Drawn) for one in drawn) >= 2
    page = render(hostile, sweep, drawn)
    assert page.count("<script>") == 1
    assert page.count("<script") == 1 + sum(isinstance(one, Drawn) for one in drawn)  # the page's own, and its data
    assert "<img src=x" not in page
    assert page.count("&lt;script&gt;") >= 5
    for one in drawn:
        assert not isinstance(one, Drawn) or b"<script" not in one.svg


@pytest.mark.parametrize(
    "definition",
    [
        BOMB,
        f"{BOMB}\ndescription: *a11",
        f"name: demo\ndescription: {'[' * 3000}",
        "description: 2020-99-99",
        "description: !!python/object/apply:os.system ['touch pwned']",
        "description: [a, b]",
        "- a",
        "a: {",
        "description: " + "x" * (1 << 20),
        "",
    ],
)
def test_the_text_of_a_sweep_cannot_hurt(definition: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert len(str(parsed(definition).get("description", ""))) < 100
    store = write(tmp_path / "store", MadeUp(specs=SPECS[:1], effects=Effects(steps=(0,), examples=1)))
    define(store, definition)
    opened = Store(store)
    assert open_sweep(opened, "demo").trials.height == 1
    assert not (tmp_path / "pwned").exists()


def test_a_collection_of_itself_ends(tmp_path: Path) -> None:
    store = write(tmp_path / "store", MadeUp(specs=SPECS, effects=EFFECTS))
    define(store, "name: demo\nsweeps: [demo, ../demo, 3]")
    sweep = open_sweep(Store(store), "demo")
    assert [member.name for member in sweep.members] == ["demo"]
    assert sweep.members[0].members == ()
