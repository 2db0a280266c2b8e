"""A compacted copy gives the same figures, verdicts and page as the store."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import polars as pl
import pytest

from analysis.errors import Skipped
from analysis.evaluation import as_json, evaluate
from analysis.figures import FIGURES
from analysis.gallery import draw_all
from analysis.report import render
from analysis.store import Store
from analysis.sweeps import Sweep, open_sweep
from orchestrator.compact import compact
from orchestrator.store import open_store
from tests.analysis.made_up import MEAN, MEDIAN, NONE, WINSORIZED, Effects, MadeUp, grid, permuted, write, write_rows
from trainables.records import part_path
from trainables.spec import trial_id

SPECS = grid(corruptions=(NONE, permuted(0.5), permuted(1.0)), aggregators=(MEAN, WINSORIZED, MEDIAN), seeds=3)
EFFECTS = Effects(steps=(0, 1, 5, 10, 20, 50, 100, 125, 500, 1000, 1500, 1875, 2000), examples=20)
Opened = tuple[Store, Sweep]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Opened, Opened]:
    """A store in which one trial was checkpointed eleven times, and its copy."""
    path = tmp_path_factory.mktemp("compacted")
    write(path / "store", MadeUp(specs=SPECS, effects=EFFECTS))
    identity = trial_id(SPECS[0])
    rows = pl.read_parquet(part_path(path / "store", "layers", identity, 0)).drop("trial_id").to_dicts()
    size = -(-len(rows) // 12)
    for part in range(12):
        write_rows(path / "store", "layers", identity, rows[part * size : (part + 1) * size], part)
    compact(open_store(path / "store"), path / "copy")
    first, second = ((store, open_sweep(store, "demo")) for store in (Store(path / "store"), Store(path / "copy")))
    return first, second


def outcome(function: Callable[..., Any], *arguments: Any) -> Any:
    """What it returns, or why it skips."""
    try:
        return function(*arguments)
    except Skipped as reason:
        return str(reason)


def test_every_figure_collects_the_same(both: tuple[Opened, Opened]) -> None:
    drawn = 0
    for entry in FIGURES.values():
        module = import_module(entry.module)
        first, second = (outcome(module.collect, *opened) for opened in both)
        assert first == second
        drawn += not isinstance(first, str)
    assert drawn >= 8


def test_rows_come_in_the_same_order(both: tuple[Opened, Opened]) -> None:
    for table in ("trials", "layers", "evals", "steps", "examples"):
        frames = [store.read(table) for store, _ in both]
        assert frames[0].equals(frames[1]), table


def test_figures_verdicts_and_page_are_the_same_bytes(both: tuple[Opened, Opened]) -> None:
    names = ("coherence-vs-loss",)
    pictures = [list(draw_all(store, sweep, names)) for store, sweep in both]
    for one, other in zip(*pictures, strict=True):
        assert (one.png, one.svg, one.caption) == (other.png, other.svg, other.caption)
        assert one.frame.equals(other.frame)
    verdicts = [as_json(sweep, evaluate(store, sweep)) for store, sweep in both]
    assert verdicts[0] == verdicts[1]
    pages = [render(store, sweep, drawn) for (store, sweep), drawn in zip(both, pictures, strict=True)]
    assert pages[0] == pages[1]
